#include <doctest/doctest.h>
#include <sterna/quant/error.h>
#include <tests/support/folder.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tools/cli/error.h"
#include "tools/cli/inputs.h"
#include "tools/cli/names.h"
#include "tools/cli/npy.h"
#include "tools/cli/options.h"
#include "tools/cli/pipeline.h"
#include "tools/cli/progress.h"
#include "tools/cli/sha256.h"
#include "tools/cli/text.h"

using namespace sterna::cli;

TEST_CASE("SHA-256 gives the digests of FIPS 180-4's examples") {
  CHECK(hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hex(sha256(std::string(1'000'000, 'a'))) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  Digest digest;
  CHECK(parse_digest(hex(sha256("abc")), digest));
  CHECK(digest == sha256("abc"));
  CHECK_FALSE(parse_digest("ba78", digest));
  CHECK_FALSE(parse_digest(std::string(64, 'g'), digest));
}

TEST_CASE("UTF-8 is told from what only looks like it") {
  for (const char* good :
       {"", "abc", "caf\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x90\xA6", "\xED\x9F\xBF"}) {
    CHECK(is_utf8(good));
    CHECK(to_utf8(good) == good);
  }
  // Lone tail, overlong forms, a surrogate, beyond U+10FFFF, cut off.
  for (const char* bad : {"\x80", "\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                          "\xC3", "\xE2\x82", "a\xFFz"}) {
    CHECK_FALSE(is_utf8(bad));
    CHECK(is_utf8(to_utf8(bad)));
  }
  CHECK(to_utf8("a\xFFz") == "a\xEF\xBF\xBDz");
}

TEST_CASE("what is printed stays on its line and can't steer the terminal") {
  CHECK(printable("a\nb\x1b[2J\x7f") == "a\\x0ab\\x1b[2J\\x7f");
  CHECK(printable("caf\xC3\xA9 \xFF") == "caf\xC3\xA9 \\xff");
  CHECK(printable("\xC2\x9B") == "\\xc2\\x9b");  // C1: a control sequence introducer
}

TEST_CASE("base64 gives RFC 4648's test vectors") {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) CHECK(base64(plain) == encoded);
}

TEST_CASE("a file name that is no UTF-8 is shown and kept") {
  Json json;
  put_name(json, "input", "caf\xE9");
  CHECK(json.dump() == "{\"input\":\"caf\xEF\xBF\xBD\",\"input_bytes\":\"Y2Fm6Q==\"}");
}

TEST_CASE("lists on the command line") {
  CHECK(split_list("a, b c ,d", "--choices", 1) == std::vector<std::string>{"a", "b c", "d"});
  CHECK_THROWS_WITH_AS(split_list("a,,b", "--choices", 1), "--choices: an item is empty",
                       UsageError);
  CHECK_THROWS_AS(split_list("", "--choices", 1), UsageError);
  CHECK_THROWS_AS(split_list("a,", "--choices", 1), UsageError);
  CHECK_THROWS_WITH_AS(split_list("a", "--choices", 2),
                       "--choices: expected at least 2 items, found 1", UsageError);
}

TEST_CASE("times for people") {
  CHECK(clock_text(0.4) == "0:00");
  CHECK(clock_text(89) == "1:29");
  CHECK(clock_text(3725) == "1:02:05");
}

TEST_CASE("inputs are expanded in order") {
  const sterna::test::Folder folder;
  for (const char* name :
       {"b.jpg", "a.JPG", "sub/c.png", ".hidden.jpg", "note.txt", ".git/x.jpg"}) {
    folder.write(name, "x");
  }
  folder.write("raw", "\xFF\xD8\xFF\xE0 and so on");
  folder.write("text", "not a picture");
  const std::string top = folder.path().string();
  const auto in = [&](const char* name) { return top + "/" + name; };
  const std::vector<std::string> all = {in("a.JPG"), in("b.jpg"), in("raw"), in("sub/c.png")};
  CHECK(expand_inputs(std::vector{top}) == all);
  CHECK(expand_inputs(std::vector{top + "/"}) == all);
  CHECK(expand_inputs(std::vector{in("*.jpg"), in("sub")}) ==
        std::vector{in("b.jpg"), in("sub/c.png")});
  // Named files are taken as they are; a pattern that matches nothing is a name.
  CHECK(expand_inputs(std::vector{in("note.txt"), in("gone.jpg"), in("*.bmp")}) ==
        std::vector{in("note.txt"), in("gone.jpg"), in("*.bmp")});
  folder.write("list", in("b.jpg") + "\r\n\n" + in("sub"));
  CHECK(expand_inputs(std::vector{"@" + in("list")}) == std::vector{in("b.jpg"), in("sub/c.png")});
  CHECK_THROWS_AS(expand_inputs(std::vector{"@" + in("nowhere")}), sterna::Error);
  // A folder without pictures is not silently nothing.
  folder.write("empty/readme.md", "x");
  CHECK(expand_inputs(std::vector{in("empty")}) == std::vector{in("empty")});
}

TEST_CASE("links to folders are followed, each folder once") {
  const sterna::test::Folder folder;
  for (const char* name : {"top/a.jpg", "top/sub/b.jpg", "albums/2025/c.jpg", "d.jpg"})
    folder.write(name, "x");
  const std::filesystem::path top = folder.path() / "top";
  const auto in = [&](const char* name) { return (top / name).string(); };
  using std::filesystem::create_directory_symlink;
  create_directory_symlink("../albums", top / "linked");
  create_directory_symlink("../albums/2025", top / "linked again");
  create_directory_symlink("sub", top / "twice");               // lies there itself
  create_directory_symlink("..", top / "above");                // holds the folder
  create_directory_symlink("../../top", top / "sub" / "back");  // a circle
  create_directory_symlink("../nowhere", top / "dangling");
  create_directory_symlink("../nowhere.jpg", top / "gone.jpg");  // reading it tells
  CHECK(expand_inputs(std::vector{top.string()}) ==
        std::vector{in("a.jpg"), in("gone.jpg"), in("linked/2025/c.jpg"), in("sub/b.jpg")});
  CHECK(expand_inputs(std::vector{in("linked")}) == std::vector{in("linked/2025/c.jpg")});
}

TEST_CASE(".npy: what is written is read, and what is broken is refused") {
  const sterna::test::Folder folder;
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const std::string data(reinterpret_cast<const char*>(values.data()), 24);
  const std::string header = npy_header(2, 3);
  REQUIRE(header.size() == kNpyHeaderBytes);
  CHECK(npy_header(UINT64_MAX, 384).size() == kNpyHeaderBytes);

  const NpyMatrix matrix(folder.write("good.npy", header + data));
  CHECK(matrix.rows() == 2);
  CHECK(matrix.cols() == 3);
  CHECK(matrix.row(1)[2] == 6);
  CHECK(NpyMatrix(folder.write("more.npy", header + data + "tail")).rows() == 2);
  CHECK(NpyMatrix(folder.write("none.npy", npy_header(0, 3))).rows() == 0);

  const auto broken = [&](std::string bytes) {
    CHECK_THROWS_AS(NpyMatrix(folder.write("bad.npy", bytes)), sterna::Error);
  };
  for (size_t n = 0; n < header.size() + data.size(); ++n) broken((header + data).substr(0, n));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = header;
    text.replace(text.find(from), to.size(), to);
    return text + data;
  };
  broken(with("<f4", "<f8"));
  broken(with("False", "True "));
  broken(with("(2, 3)", "(2,)  "));
  broken(with("(2, 3)", "(-2,3)"));
  broken(with("(2, 3), }  ", "(99999999999999999999, 3)"));
  broken(
      with("(2, 3), }         ", "(6148914691236517206, 3)"));  // 2^64 / 3: wraps when multiplied
  broken(with("shape", "shale"));
}

TEST_CASE("the pipeline keeps order, on any number of threads, and stops when told") {
  for (const int threads : {1, 2, 4}) {
    std::vector<size_t> seen;
    ordered_pipeline(
        3, 200, threads, [] { return 0; }, [](size_t) {},
        [](int& calls, size_t i) {
          if (i % 7 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
          ++calls;
          return i * i;
        },
        [&](size_t i, size_t square) {
          CHECK(square == i * i);
          seen.push_back(i);
          return i < 150;
        });
    REQUIRE(seen.size() == 148);
    for (size_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == i + 3);
  }
}

TEST_CASE("the pipeline hands exceptions to its caller") {
  CHECK_THROWS_WITH_AS(
      ordered_pipeline(
          0, 100, 2, [] { return 0; }, [](size_t) {}, [](int&, size_t i) { return i; },
          [](size_t i, size_t) -> bool {
            if (i == 20) throw OutputClosed();
            return true;
          }),
      "standard output was closed", OutputClosed);
}
