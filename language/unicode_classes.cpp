#include "unicode_classes.h"

#include <algorithm>
#include <array>
#include <vector>

namespace sterna::language::unicode {

namespace {

constexpr size_t kBlock = 256;
constexpr size_t kBlocks = 0x110000 / kBlock;

/// The runs, unpacked once a process (80 KB): blocks of code points, equal ones of a single class
/// shared.
struct Unpacked {
  std::array<uint16_t, kBlocks> block{};
  std::vector<uint8_t> classes;  // [distinct blocks, kBlock]

  Unpacked() {
    std::array<uint16_t, 256> whole;  // block of a single class
    whole.fill(UINT16_MAX);
    std::array<uint8_t, kBlock> row;
    size_t run = 0, left = tables::kRuns[0];
    for (auto& number : block) {
      for (uint8_t& c : row) {
        while (left == 0) left = tables::kRuns[run += 2];
        c = static_cast<uint8_t>(tables::kRuns[run + 1]);
        --left;
      }
      const bool same = std::all_of(row.begin(), row.end(), [&](uint8_t c) { return c == row[0]; });
      if (same && whole[row[0]] != UINT16_MAX) {
        number = whole[row[0]];
        continue;
      }
      number = static_cast<uint16_t>(classes.size() / kBlock);
      if (same) whole[row[0]] = number;
      classes.insert(classes.end(), row.begin(), row.end());
    }
  }
};

}  // namespace

const Class& class_of(char32_t c) {
  static const Unpacked kUnpacked;
  const size_t block = kUnpacked.block[c / kBlock];
  return tables::kClasses[kUnpacked.classes[block * kBlock + c % kBlock]];
}

}  // namespace sterna::language::unicode
