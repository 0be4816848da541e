#include <doctest/doctest.h>
#include <tests/support/folder.h>

#include <atomic>
#include <exception>
#include <string>
#include <thread>
#include <vector>

#include "tools/cli/index_folder.h"
#include "tools/cli/npy.h"
#include "tools/cli/sha256.h"

using namespace sterna::cli;

TEST_CASE("an index is whole whenever it is opened, while another process saves it") {
  const sterna::test::Folder folder;
  const std::vector<float> numbers = {1, 0};
  const std::string bytes(reinterpret_cast<const char*>(numbers.data()), 8);
  folder.write("row.npy", npy_header(1, 2) + bytes);
  const NpyMatrix row(folder.path() / "row.npy");
  IndexFolder index = IndexFolder::create(folder.path() / "x", 2, "Flat", Json::object());
  const auto save_one_more = [&] {
    const std::string input = std::to_string(index.live());
    index.add(row, {{input, hex(sha256(input))}});
    index.save();
  };
  save_one_more();
  std::atomic<bool> saving = true;
  std::string fault;
  std::jthread other([&] {
    try {
      while (index.live() < 100) save_one_more();
    } catch (const std::exception& e) {
      fault = e.what();
    }
    saving = false;
  });
  size_t rows = 0;
  while (saving) {
    const size_t found = IndexFolder::open(folder.path() / "x").live();
    CHECK(found >= rows);
    rows = found;
  }
  other.join();
  CHECK(fault.empty());
  CHECK(IndexFolder::open(folder.path() / "x").live() == 100);
}
