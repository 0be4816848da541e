#include <doctest/doctest.h>
#include <sterna/models/gguf.h>
#include <sterna/models/gguf_writer.h>
#include <sterna/quant/error.h>

#include <limits>

#include "tests/models/gguf_bytes.h"

using namespace sterna;
using namespace sterna::models;
using namespace sterna::test;

namespace {

// The error of reading `bytes`, without the file's name; "" if they are accepted.
std::string fault(const Bytes& bytes) {
  const std::string message = message_of<Error>([&] { Gguf::parse("x.gguf", bytes); });
  CHECK(message.find('\n') == std::string::npos);
  if (message.empty()) return message;
  REQUIRE(message.rfind("x.gguf: ", 0) == 0);
  return message.substr(8);
}
std::string fault(const GgufBytes& file) { return fault(file.bytes()); }

constexpr uint64_t huge = uint64_t{1} << 63;

// A small file with every kind of metadata and several tensors, through the writer.
Bytes specimen(const Folder& scratch) {
  GgufWriter w(scratch / "specimen.gguf");
  w.set("general.architecture", "sterna");
  w.set("a.true", true);
  w.set("a.small", int64_t{-5});
  w.set("a.large", int64_t{std::numeric_limits<int64_t>::min()});
  w.set("a.count", uint64_t{77});
  w.set("a.most", uint64_t{UINT64_MAX});
  w.set("a.half", 0.5);
  w.set("a.tenth", 0.1);
  w.set("a.huge", 1e300);
  w.set("a.nan", std::numeric_limits<double>::quiet_NaN());
  w.set("a.integers", std::vector<int64_t>{1, -2, 3});
  w.set("a.wide", std::vector<int64_t>{1, int64_t{1} << 40});
  w.set("a.numbers", std::vector<double>{127, 127.5});
  w.set("a.bits", std::vector<bool>{true, false, true});
  w.set("a.words", std::vector<std::string_view>{"cat", "", "\xC3\xA9t\xC3\xA9"});
  const std::vector<uint64_t> matrix{3, 5}, vector{7}, scalar{};
  w.declare("m", GgmlType::f32, matrix);
  w.declare("v", GgmlType::i8, vector);
  w.declare("s", GgmlType::f64, scalar);
  std::vector<float> m(15);
  for (size_t i = 0; i < m.size(); ++i) m[i] = static_cast<float>(i);
  const auto bytes = std::as_bytes(std::span(m));
  w.write(bytes.first(13));  // pieces of any size
  w.write(bytes.subspan(13));
  const std::vector<int8_t> v{-3, -2, -1, 0, 1, 2, 3};
  w.write(std::as_bytes(std::span(v)));
  const double s = 42;
  w.write(std::as_bytes(std::span(&s, 1)));
  w.commit();
  return read_file(scratch / "specimen.gguf");
}

}  // namespace

TEST_CASE("what the writer writes, the reader reads") {
  const Folder scratch;
  specimen(scratch);
  const Gguf g = Gguf::open(scratch / "specimen.gguf");
  CHECK(g.version() == 3);
  CHECK(g.alignment() == 64);
  CHECK(g.string("general.architecture") == "sterna");
  CHECK(g.boolean("a.true"));
  CHECK(std::get<int64_t>(g.metadata().at("a.small")) == -5);
  CHECK(std::get<int64_t>(g.metadata().at("a.large")) == std::numeric_limits<int64_t>::min());
  CHECK(g.integer("a.count") == 77);
  CHECK(g.integer("a.most") == UINT64_MAX);
  CHECK(g.number("a.half") == 0.5);
  CHECK(g.number("a.tenth") == 0.1);  // kept in 64 bits, for it isn't a float
  CHECK(g.number("a.huge") == 1e300);
  CHECK(g.number("a.nan") != g.number("a.nan"));
  CHECK(g.number("a.count") == 77);
  CHECK(g.integers("a.integers") == std::vector<int64_t>{1, -2, 3});
  CHECK(g.integers("a.wide") == std::vector<int64_t>{1, int64_t{1} << 40});
  CHECK(g.numbers("a.numbers") == std::vector<double>{127, 127.5});
  CHECK(g.numbers("a.integers") == std::vector<double>{1, -2, 3});
  CHECK(std::get<std::vector<bool>>(g.metadata().at("a.bits")) ==
        std::vector<bool>{true, false, true});
  CHECK(g.strings("a.words") == std::vector<std::string_view>{"cat", "", "\xC3\xA9t\xC3\xA9"});
  CHECK(g.encoded("a.count").size() == 4 + 4);
  CHECK(g.encoded("a.most").size() == 4 + 8);

  REQUIRE(g.tensors().size() == 3);
  const GgufTensor* m = g.find("m");
  REQUIRE(m != nullptr);
  CHECK(m->shape == std::vector<uint64_t>{3, 5});
  CHECK(m->elements() == 15);
  CHECK(reinterpret_cast<const float*>(m->data.data())[14] == 14);
  CHECK(reinterpret_cast<uintptr_t>(g.find("v")->data.data()) % 64 == 0);
  CHECK(static_cast<int8_t>(g.find("v")->data[0]) == -3);
  CHECK(g.find("s")->shape.empty());
  CHECK(reinterpret_cast<const double*>(g.find("s")->data.data())[0] == 42);
  CHECK(g.find("absent") == nullptr);
}

TEST_CASE("copied metadata are the same bytes") {
  const Folder scratch;
  specimen(scratch);
  const Gguf from = Gguf::open(scratch / "specimen.gguf");
  GgufWriter w(scratch / "copy.gguf");
  for (const auto& [key, value] : from.metadata()) {
    if (key != "general.alignment") w.copy(key, from);
  }
  w.commit();
  const Gguf to = Gguf::open(scratch / "copy.gguf");
  CHECK(to.metadata().size() == from.metadata().size());
  for (const auto& [key, value] : from.metadata()) {
    const auto a = from.encoded(key), b = to.encoded(key);
    CHECK(std::equal(a.begin(), a.end(), b.begin(), b.end()));
  }
}

TEST_CASE("asking for the wrong thing names file, key and what is there") {
  const Folder scratch;
  specimen(scratch);
  const Gguf g = Gguf::open(scratch / "specimen.gguf");
  const std::string file = (scratch / "specimen.gguf").string();
  const auto error = [](auto f) { return message_of<Error>(f); };
  CHECK(error([&] { g.string("b"); }) == file + ": metadata \"b\" is missing");
  CHECK(error([&] { g.string("a.count"); }) ==
        file + ": metadata \"a.count\": expected a string, found an integer");
  CHECK(error([&] { g.integer("a.count", 1, 76); }) ==
        file + ": metadata \"a.count\": expected an integer from 1 to 76, found 77");
  CHECK(contains(error([&] { g.integer("a.small"); }), "found -5"));
  CHECK(contains(error([&] { g.integer("a.half"); }), "expected an integer, found a number"));
  CHECK(contains(error([&] { g.boolean("a.count"); }), "expected a boolean"));
  CHECK(contains(error([&] { g.strings("a.integers"); }), "found an array of integers"));
  CHECK(contains(error([&] { g.numbers("a.words"); }), "found an array of strings"));
  CHECK(contains(error([&] { g.integers("a.numbers"); }), "found an array of numbers"));
  CHECK(contains(error([&] { g.number("a.true"); }), "found a boolean"));
}

TEST_CASE("a file cut anywhere is refused, and never read past its end") {
  const Folder scratch;
  const Bytes whole = specimen(scratch);
  REQUIRE(fault(whole).empty());
  // Exactly sized copies, so that the address sanitizer sees a read beyond the cut.
  size_t accepted = 0;
  for (size_t n = 0; n < whole.size(); ++n) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
    accepted += fault(cut).empty() ? 1 : 0;
  }
  // Only the padding after the last tensor (8 bytes of 64) may be missing.
  CHECK(accepted == 64 - 8);
  for (size_t percent = 0; percent < 100; ++percent) {
    const auto n = static_cast<std::ptrdiff_t>(whole.size() * percent / 100);
    const auto path = scratch.write("cut.gguf", Bytes(whole.begin(), whole.begin() + n));
    const std::string message = message_of<Error>([&] { Gguf::open(path); });
    if (static_cast<size_t>(n) < whole.size() - 56) CHECK(contains(message, "cut.gguf: "));
  }
}

TEST_CASE("every byte of the header set to extremes gives a result or an Error") {
  const Folder scratch;
  const Bytes whole = specimen(scratch);
  for (size_t i = 0; i < whole.size() - 192; ++i) {
    for (const int value : {0x00, 0x01, 0x7F, 0x80, 0xFF}) {
      Bytes changed = whole;
      changed[i] = static_cast<std::byte>(value);
      fault(changed);
    }
    if (i + 8 > whole.size()) continue;
    for (const uint64_t value :
         {uint64_t{0}, huge, UINT64_MAX, UINT64_MAX - 7, uint64_t{1} << 62}) {
      Bytes changed = whole;
      std::memcpy(changed.data() + i, &value, 8);
      fault(changed);
    }
  }
}

TEST_CASE("extreme header fields") {
  CHECK(fault(Bytes{}) == "expected a GGUF file (first bytes \"GGUF\"), found something else");
  CHECK(contains(fault(GgufBytes(0, 0, 1)), "expected GGUF version 2 or 3, found 1"));
  CHECK(contains(fault(GgufBytes(0, 0, 3u << 24)), "found a big-endian file"));
  CHECK(fault(GgufBytes(0, 0, 2)).empty());
  CHECK(fault(GgufBytes(0, 0, 3)).empty());
  for (const uint64_t n : {uint64_t{1}, huge, UINT64_MAX}) {
    CHECK(contains(fault(GgufBytes(n, 0)), "header: expected at most 0 tensors in the 8 bytes"));
    CHECK(contains(fault(GgufBytes(0, n)), "header: expected at most 0 metadata entries in the 0"));
  }
}

TEST_CASE("extreme metadata") {
  const auto one = [] { return GgufBytes(0, 1); };
  CHECK(contains(fault(one().u64(UINT64_MAX).zeros(20)),
                 "metadata 0: expected 18446744073709551615 more bytes, found 20"));
  CHECK(contains(fault(one().string("").u32(4).zeros(20)), "metadata 0: expected a key"));
  CHECK(contains(fault(one().key("k", 13).zeros(20)),
                 "metadata \"k\": expected a value type from 0 to 12, found 13"));
  CHECK(contains(fault(one().key("k", 8).u64(huge).zeros(20)),
                 "metadata \"k\": expected 9223372036854775808"));
  CHECK(contains(fault(one().key("k", 7).u8(2).zeros(20)), "expected a boolean, 0 or 1, found 2"));
  CHECK(contains(fault(one().key("k", 9).u32(9).u64(1).zeros(20)), "found an array of arrays"));
  CHECK(contains(fault(one().key("k", 9).u32(99).u64(1).zeros(20)), "from 0 to 12, found 99"));
  for (uint32_t kind = 0; kind <= 12; ++kind) {
    if (kind == 9) continue;
    const std::string message = fault(one().key("k", 9).u32(kind).u64(UINT64_MAX).zeros(80));
    CHECK(
        contains(message, "array elements in the 80 bytes that remain, found a count of 1844674"));
  }
  CHECK(contains(fault(one().key("k", 9).u32(8).u64(2).u64(8).zeros(8)),
                 "metadata \"k\": expected 8 more bytes, found 0"));
  CHECK(contains(fault(GgufBytes(0, 2).key("k", 4).u32(1).key("k", 4).u32(1)),
                 "\"k\": key occurs twice"));
  CHECK(contains(fault(one().key("a\nb\x7F", 99).zeros(20)), "metadata \"a\\x0ab\\x7f\""));
  for (const uint32_t a : {0u, 1u, 7u, 48u, 1u << 21, UINT32_MAX}) {
    CHECK(contains(fault(one().key("general.alignment", 4).u32(a)),
                   "metadata \"general.alignment\""));
  }
  CHECK(fault(one().key("general.alignment", 4).u32(8)).empty());
}

TEST_CASE("extreme tensors") {
  const auto one = [] { return GgufBytes(1, 0); };
  const auto data = [](GgufBytes g) { return fault(g.pad(32).zeros(64)); };
  CHECK(data(one().tensor("t", {16}, 0, 0)).empty());
  CHECK(data(one().tensor("t", {}, 0, 0)).empty());
  CHECK(contains(data(one().tensor("", {16}, 0, 0)), "tensor 0: expected a name"));
  CHECK(
      contains(data(one().string("t").u32(UINT32_MAX)), "at most 4 dimensions, found 4294967295"));
  CHECK(contains(data(one().tensor("t", {1, 1, 1, 1, 1}, 0, 0)), "at most 4 dimensions, found 5"));
  CHECK(contains(data(one().tensor("t", {0}, 0, 0)), "dimensions of at least 1, found 0"));
  CHECK(contains(data(one().tensor("t", {uint64_t{1} << 62}, 0, 0)), "below 2^64 bytes"));
  CHECK(contains(data(one().tensor("t", {uint64_t{1} << 62, 4}, 0, 0)), "more than 2^64"));
  CHECK(contains(data(one().tensor("t", {huge, huge, huge, huge}, 0, 0)), "more than 2^64"));
  CHECK(contains(data(one().tensor("t", {17}, 0, 0)), "expected 68 bytes at offset 0, found 64"));
  CHECK(contains(data(one().tensor("t", {8}, 0, 64)), "expected 32 bytes at offset 64, found 64"));
  CHECK(
      contains(data(one().tensor("t", {8}, 0, UINT64_MAX - 31)), "at offset 18446744073709551584"));
  CHECK(contains(data(one().tensor("t", {8}, 0, huge)), "at offset 9223372036854775808"));
  CHECK(contains(data(one().tensor("t", {4}, 0, 16)), "offset that is a multiple of 32, found 16"));
  CHECK(contains(data(one().tensor("t", {33}, 8, 0)),
                 "a multiple of 32 elements for q8_0, found [33]"));
  CHECK(contains(fault(one().tensor("t", {1}, 0, 0)), "found the end of the file"));
  const auto two = [] { return GgufBytes(2, 0).tensor("t", {16}, 0, 0); };
  CHECK(contains(data(two().tensor("t", {1}, 0, 32)), "tensor \"t\": name occurs twice"));
  CHECK(contains(data(two().tensor("u", {1}, 0, 32)),
                 "tensor \"u\": its data overlap those of \"t\""));
  // A type from the future opens and is listed; nobody can use its data.
  const Bytes future = one().tensor("t", {16}, 1000000000, 0).pad(32).zeros(64).bytes();
  const Gguf g = Gguf::parse("x.gguf", future);
  CHECK(ggml_type_name(g.find("t")->type) == "type 1000000000");
  CHECK(g.find("t")->data.empty());
}
