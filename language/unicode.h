#pragma once

#include <cstddef>
#include <cstdint>

namespace sterna::language::unicode {

// Properties as `tokenizers` sees them, which no single Unicode version describes; see
// tools/unicode/make_tables.py.
enum Flag : uint8_t {
  kDrop = 1,          // removed by BERT's clean_text: control, private use, U+0000, U+FFFD
  kSpace = 2,         // made ' ' by clean_text
  kWhite = 4,         // separates words
  kCjk = 8,           // an ideograph: a word of its own
  kMark = 16,         // a non-spacing mark: removed by strip_accents
  kPunctuation = 32,  // a word of its own
};

struct Info {
  uint8_t flags;
  uint8_t combining_class;
  uint8_t decomposed_size;  // 0: decomposes to itself (Hangul syllables: by arithmetic)
  uint8_t lower_size;       // 0: lower case of itself
  uint16_t decomposed;      // first of its code points in kPool (canonical, full, ordered)
  uint16_t lower;
};

inline constexpr int kShift = 6;
extern const uint16_t kIndex[];   // block of each 2^kShift code points
extern const uint16_t kBlocks[];  // record of each code point of a block
extern const Info kInfo[];
extern const char32_t kPool[];

/// `c` must be at most U+10FFFF.
inline const Info& info(char32_t c) {
  const size_t block = kIndex[c >> kShift];
  return kInfo[kBlocks[(block << kShift) + (c & ((1u << kShift) - 1))]];
}

inline bool is_hangul_syllable(char32_t c) { return c - 0xAC00 < 11172; }

}  // namespace sterna::language::unicode
