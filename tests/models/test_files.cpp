#include <doctest/doctest.h>
#include <sterna/models/atomic_file.h>
#include <sterna/models/gguf_writer.h>
#include <sterna/models/mapped_file.h>
#include <sterna/quant/error.h>
#include <tests/support/folder.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <utility>

using namespace sterna;
using namespace sterna::models;
using namespace sterna::test;

namespace {

size_t entries(const Folder& scratch) {
  size_t n = 0;
  for (const auto& entry : std::filesystem::directory_iterator(scratch.path())) {
    n += entry.exists() ? 1 : 0;
  }
  return n;
}

Bytes text(std::string_view s) {
  const auto b = std::as_bytes(std::span(s));
  return {b.begin(), b.end()};
}

template <class F>
std::string error(F&& f) {
  return message_of<Error>(std::forward<F>(f));
}

}  // namespace

TEST_CASE("MappedFile: the bytes of a file, or an error that says what is wrong") {
  const Folder scratch;
  const auto path = scratch.write("a", text("hello"));
  MappedFile a(path);
  const auto* address = a.bytes().data();
  MappedFile b(std::move(a));
  CHECK(b.bytes().data() == address);
  CHECK(Bytes(b.bytes().begin(), b.bytes().end()) == text("hello"));
  std::filesystem::remove(path);
  CHECK(b.bytes()[4] == std::byte{'o'});  // the map outlives the name

  const std::string missing = (scratch / "missing").string();
  CHECK(error([&] { MappedFile f(missing); }) ==
        missing + ": cannot open: No such file or directory");
  CHECK(error([&] { MappedFile f(scratch.path()); }) ==
        scratch.path().string() + ": expected a file, found a directory");
  CHECK(error([&] { MappedFile f(scratch.write("empty", "")); }) ==
        (scratch / "empty").string() + ": file is empty");
  CHECK(error([] { MappedFile f("/dev/null"); }) == "/dev/null: expected a file, found a device");
  const auto pipe = scratch / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(error([&] { MappedFile f(pipe); }) == pipe.string() + ": expected a file, found a pipe");
}

TEST_CASE("AtomicFile: nothing is seen before commit, nothing is left without it") {
  const Folder scratch;
  const auto path = scratch.write("out", text("old"));
  {
    AtomicFile f(path);
    f.write(text("new"));
    f.pad_to(8);
    CHECK(f.position() == 8);
    CHECK(read_file(path) == text("old"));
  }
  CHECK(read_file(path) == text("old"));
  CHECK(entries(scratch) == 1);
  AtomicFile f(path);
  f.write(text("new"));
  f.pad_to(600);
  f.commit();
  CHECK(read_file(path).size() == 600);
  CHECK(entries(scratch) == 1);

  // A link stays a link: the file that it names is replaced.
  std::filesystem::create_symlink(path, scratch / "link");
  AtomicFile g(scratch / "link");
  g.write(text("linked"));
  g.commit();
  CHECK(std::filesystem::is_symlink(scratch / "link"));
  CHECK(read_file(path) == text("linked"));
}

TEST_CASE("AtomicFile: what can't be written is named") {
  const Folder scratch;
  CHECK(error([&] { AtomicFile f(scratch / "no" / "file"); }) ==
        (scratch / "no" / "file").string() + ": cannot create: No such file or directory");
  CHECK(error([&] { AtomicFile f(scratch.path()); }) ==
        scratch.path().string() + ": expected a file to replace, found a directory or device");
  CHECK(error([] { AtomicFile f("/dev/null"); }) ==
        "/dev/null: expected a file to replace, found a directory or device");
  CHECK(error([] { AtomicFile f(""); }) == ": expected a file name");
}

TEST_CASE("a disk that fills up is named, and leaves what was there") {
  const Folder scratch;
  const auto path = scratch.write("m.gguf", text("old"));
  // A limit on the size of files makes write() fail half way, as a full disk does.
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 4096;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string message = error([&] {
    GgufWriter w(path);
    const std::vector<uint64_t> shape{100000};
    w.declare("t", GgmlType::i8, shape);
    w.write(Bytes(100000));
    w.commit();
  });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK(message == path.string() + ": cannot write: File too large");
  CHECK(read_file(path) == text("old"));
  CHECK(entries(scratch) == 1);
}

TEST_CASE("GgufWriter refuses what would not be a GGUF file") {
  const Folder scratch;
  const auto path = scratch / "m.gguf";
  const std::vector<uint64_t> two{2}, none{0}, five{1, 1, 1, 1, 1}, odd{2, 33};
  const auto fault = [&](auto f) {
    const std::string message = error([&] {
      GgufWriter w(path);
      f(w);
    });
    REQUIRE(message.rfind(path.string() + ": ", 0) == 0);
    return message.substr(path.string().size() + 2);
  };
  using W = GgufWriter;
  CHECK(fault([&](W& w) { w.set("k", true), w.set("k", true); }) == "metadata \"k\": set twice");
  CHECK(fault([&](W& w) { w.set("", true); }) ==
        "metadata \"\": expected a key of 1 to 65535 bytes, found 0");
  CHECK(fault([&](W& w) {
          w.declare("t", GgmlType::i8, two), w.declare("t", GgmlType::i8, two);
        }) == "tensor \"t\": declared twice");
  CHECK(fault([&](W& w) {
          w.declare(std::string(64, 't'), GgmlType::i8, two);
        }).find("expected a name of 1 to 63 bytes, found 64") != std::string::npos);
  CHECK(fault([&](W& w) { w.declare("t", static_cast<GgmlType>(99), two); }) ==
        "tensor \"t\": unknown type 99");
  CHECK(fault([&](W& w) { w.declare("t", GgmlType::i8, five); }) ==
        "tensor \"t\": expected at most 4 dimensions, found [1, 1, 1, 1, 1]");
  CHECK(fault([&](W& w) { w.declare("t", GgmlType::i8, none); }) ==
        "tensor \"t\": expected a possible shape for i8, found [0]");
  CHECK(fault([&](W& w) { w.declare("t", GgmlType::q8_0, odd); }) ==
        "tensor \"t\": expected a possible shape for q8_0, found [2, 33]");
  CHECK(fault([&](W& w) { w.declare("t", GgmlType::i8, two), w.write(Bytes(3)); }) ==
        "expected no more data, found 1 bytes");
  CHECK(fault([&](W& w) { w.declare("t", GgmlType::i8, two), w.write(Bytes(1)), w.commit(); }) ==
        "tensor \"t\": expected 2 bytes of data, found 1");
  CHECK(fault([&](W& w) { w.write({}), w.set("late", true); }) ==
        "metadata \"late\": set after the first data");
  CHECK(entries(scratch) == 0);
}
