#include <doctest/doctest.h>
#include <sterna/quant/error.h>
#include <tests/support/folder.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tools/cli/error.h"
#include "tools/cli/vector_store.h"

using namespace sterna::cli;
namespace fs = std::filesystem;

namespace {

constexpr size_t kDim = 4;
const Json kSettings = {{"model", "m"}};

/// The vector of a made-up input.
std::vector<float> vector_of(const std::string& input) {
  return {static_cast<float>(input.size()), static_cast<float>(input.back()), 0.1F, -1e-7F};
}

/// Adds inputs [from, to): those that start with "bad" as failures.
void add(VectorStore& store, const std::vector<std::string>& inputs, size_t from, size_t to) {
  for (size_t i = from; i < to; ++i) {
    if (inputs[i].starts_with("bad")) {
      store.add_failure(inputs[i], "is bad");
    } else {
      store.add_row(inputs[i], sha256(inputs[i]), vector_of(inputs[i]));
    }
  }
}

const std::vector<std::string> kInputs = {"a", "bb", "bad", "caf\xE9", "bad \xFF", "ddddd"};

/// All in one go: what an interrupted run must end up with, too.
std::pair<std::string, std::string> expected_files() {
  const sterna::test::Folder folder;
  VectorStore store(StorePaths(folder.path() / "o.npy"), kDim, kSettings, kInputs, false, false);
  add(store, kInputs, 0, kInputs.size());
  store.finish();
  return {folder.read("o.npy"), folder.read("o.jsonl")};
}

}  // namespace

TEST_CASE("a store writes rows, a manifest, and nothing else") {
  const sterna::test::Folder folder;
  const StorePaths paths(folder.path() / "o.npy");
  VectorStore store(paths, kDim, kSettings, kInputs, false, false);
  CHECK(store.resumed() == 0);
  add(store, kInputs, 0, kInputs.size());
  CHECK_FALSE(fs::exists(paths.vectors));  // not before it is whole
  store.finish();
  const NpyMatrix matrix(paths.vectors);
  REQUIRE(matrix.rows() == 4);
  CHECK(std::vector(matrix.row(2).begin(), matrix.row(2).end()) == vector_of("caf\xE9"));
  const std::string sha = hex(sha256("a"));
  CHECK(folder.read("o.jsonl").starts_with(R"({"row":0,"input":"a","sha256":")" + sha + "\"}\n"));
  CHECK(folder.read("o.jsonl").find(R"({"input":"bad","error":"is bad"})") != std::string::npos);
  size_t files = 0;
  for (const auto& entry : fs::directory_iterator(folder.path())) files += entry.exists();
  CHECK(files == 3);
}

TEST_CASE("a store that was cut off anywhere goes on and ends with the same files") {
  const auto [vectors, manifest] = expected_files();
  for (size_t stop = 0; stop <= kInputs.size(); ++stop) {
    for (const size_t torn : {0U, 1U, 7U}) {  // bytes that the last lines or rows lack
      for (const bool tear_rows : {false, true}) {
        const sterna::test::Folder folder;
        const StorePaths paths(folder.path() / "o.npy");
        {
          VectorStore store(paths, kDim, kSettings, kInputs, false, false);
          add(store, kInputs, 0, stop);
          store.checkpoint();
        }
        const fs::path file = folder.path() / (tear_rows ? "o.npy.part" : "o.jsonl.part");
        fs::resize_file(file, fs::file_size(file) - std::min<size_t>(torn, fs::file_size(file)));
        VectorStore store(paths, kDim, kSettings, kInputs, false, false);
        CHECK(store.resumed() <= stop);
        if (torn == 0) CHECK(store.resumed() == stop);
        add(store, kInputs, store.resumed(), kInputs.size());
        store.finish();
        CHECK(folder.read("o.npy") == vectors);
        CHECK(folder.read("o.jsonl") == manifest);
      }
    }
  }
}

TEST_CASE("partial files of other settings, inputs or contents are not used") {
  const sterna::test::Folder folder;
  const StorePaths paths(folder.path() / "o.npy");
  const auto start = [&](const Json& settings, const std::vector<std::string>& inputs, bool fresh) {
    return VectorStore(paths, kDim, settings, inputs, false, fresh).resumed();
  };
  const auto leave_three = [&] {
    VectorStore store(paths, kDim, kSettings, kInputs, false, true);
    add(store, kInputs, 0, 3);
    store.checkpoint();
  };
  leave_three();
  CHECK(start(kSettings, kInputs, false) == 3);
  CHECK(start(kSettings, kInputs, true) == 0);
  leave_three();
  CHECK(start({{"model", "other"}}, kInputs, false) == 0);
  leave_three();
  CHECK(start(kSettings, {"a", "new", "bad"}, false) == 1);
  leave_three();
  std::ofstream(folder.path() / "o.jsonl.part") << "[1]\nnull\n";
  CHECK(start(kSettings, kInputs, false) == 0);
}

TEST_CASE("a file that was modified after it was embedded is embedded again") {
  const sterna::test::Folder folder;
  std::vector<std::string> inputs;
  for (const char* name : {"1", "2", "3"}) inputs.push_back(folder.write(name, "x").string());
  const StorePaths paths(folder.path() / "o.npy");
  {
    VectorStore store(paths, kDim, kSettings, inputs, true, false);
    add(store, inputs, 0, 3);
    store.checkpoint();
  }
  const auto later = fs::last_write_time(folder.path() / "o.jsonl.part") + std::chrono::seconds(1);
  fs::last_write_time(inputs[1], later);
  CHECK(VectorStore(paths, kDim, kSettings, inputs, true, false).resumed() == 1);
}

TEST_CASE("finished rows are found by content, if they were made the same way") {
  const sterna::test::Folder folder;
  const StorePaths paths(folder.path() / "o.npy");
  {
    VectorStore store(paths, kDim, kSettings, kInputs, false, false);
    add(store, kInputs, 0, kInputs.size());
    store.finish();
  }
  const std::vector<std::string> other = {"zz"};
  {
    const VectorStore store(paths, kDim, kSettings, other, false, false);
    const auto found = store.find(sha256("bb"));
    REQUIRE(found);
    CHECK(std::vector(found->begin(), found->end()) == vector_of("bb"));
    CHECK_FALSE(store.find(sha256("bad")));
    CHECK_FALSE(store.find(sha256("zz")));
  }
  CHECK_FALSE(VectorStore(paths, kDim, {{"model", "n"}}, other, false, false).find(sha256("bb")));
  CHECK_FALSE(VectorStore(paths, kDim, kSettings, other, false, true).find(sha256("bb")));
  // A manifest that promises rows the vectors lack, or a broken .npy, is no reason to fail.
  folder.write("o.npy", npy_header(2, kDim) + std::string(32, 'x'));
  CHECK_FALSE(VectorStore(paths, kDim, kSettings, other, false, false).find(sha256("bb")));
  folder.write("o.npy", "junk");
  CHECK_FALSE(VectorStore(paths, kDim, kSettings, other, false, false).find(sha256("bb")));
}

TEST_CASE("one file with vectors in its lines") {
  const sterna::test::Folder folder;
  VectorStore store(StorePaths(folder.path() / "o.jsonl"), 4, kSettings, kInputs, false, false);
  add(store, kInputs, 0, kInputs.size());
  store.finish();
  std::ifstream in(folder.path() / "o.jsonl");
  std::string text;
  REQUIRE(std::getline(in, text));
  const Json line = Json::parse(text);
  CHECK(line["row"] == 0);
  CHECK(line["embedding"].get<std::vector<float>>() == vector_of("a"));
  size_t lines = 1;
  while (std::getline(in, text)) ++lines;
  CHECK(lines == kInputs.size());
}

TEST_CASE("two runs can't write the same output, and odd names are refused") {
  const sterna::test::Folder folder;
  const StorePaths paths(folder.path() / "o.npy");
  const VectorStore store(paths, kDim, kSettings, kInputs, false, false);
  CHECK_THROWS_AS(VectorStore(paths, kDim, kSettings, kInputs, false, false), sterna::Error);
  CHECK_THROWS_AS(StorePaths("o.parquet"), UsageError);
  CHECK_THROWS_AS(StorePaths("o"), UsageError);
  CHECK_THROWS_AS(VectorStore(StorePaths(folder.path() / "no/such/o.npy"), kDim, kSettings, kInputs,
                              false, false),
                  sterna::Error);
}
