#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sterna::language::unicode {

/// Unicode's general categories, in the order of tools/unicode/make_class_tables.py.
enum class Category : uint8_t {
  kCn,
  kLu,
  kLl,
  kLt,
  kLm,
  kLo,
  kMn,
  kMc,
  kMe,
  kNd,
  kNl,
  kNo,
  kPc,
  kPd,
  kPs,
  kPe,
  kPi,
  kPf,
  kPo,
  kSm,
  kSc,
  kSk,
  kSo,
  kZs,
  kZl,
  kZp,
  kCc,
  kCf,
  kCo,
};  // clang-format off
inline constexpr std::string_view kCategoryNames[] = {
  "Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps",
  "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co",
};  // clang-format on

/// Where extended grapheme clusters break (UAX 29), with the classes of rules GB9c and GB11.
/// Regional indicators are kOther: no cluster of theirs is as short as a charsmap looks at.
enum class Grapheme : uint8_t {
  kOther,
  kControl,
  kExtend,
  kLinker,          // extends; Indic_Conjunct_Break = Linker
  kConjunctExtend,  // extends; Indic_Conjunct_Break = Extend
  kJoiner,          // U+200D
  kSpacing,
  kPrepend,
  kPicture,
  kConsonant,
  kL,
  kV,
  kT,
  kLv,
  kLvt,
};

enum ClassFlag : uint8_t {
  kWord = 1,          // \w of Rust's regex
  kNumeric = 2,       // Rust's char::is_numeric
  kCombining = 4,     // removed by StripAccents
  kSpaceOfRegex = 8,  // \s of Oniguruma and of Rust's regex
};

struct Class {
  uint8_t category;  // Category
  uint8_t flags;     // ClassFlag
  uint8_t grapheme;  // Grapheme
};

/// What `tokenizers` takes code point `c` (at most U+10FFFF) for.
const Class& class_of(char32_t c);

inline Category category(char32_t c) { return static_cast<Category>(class_of(c).category); }
inline Grapheme grapheme(char32_t c) { return static_cast<Grapheme>(class_of(c).grapheme); }
inline bool is(char32_t c, ClassFlag flag) { return (class_of(c).flags & flag) != 0; }

namespace tables {  // unicode_class_tables.cpp
extern const Class kClasses[];
extern const uint16_t kRuns[];  // {code points, class} ...
extern const char32_t kNotComposed[];  // decompose canonically, are not composed again
extern const size_t kNotComposedSize;
extern const char32_t kCompatibilityRuns[];  // {first, count, first target} ...
extern const size_t kCompatibilityRunsSize;
extern const char32_t kCompatibility[];  // {code point, size, targets[size]} ...
extern const size_t kCompatibilitySize;
}  // namespace tables

}  // namespace sterna::language::unicode
