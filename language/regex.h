#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sterna::language {

/// A set of code points as an expression writes it.
struct PointSet {
  enum Kind : uint8_t { kRange, kCategories, kSpace };
  struct Item {
    Kind kind;
    bool negated;
    char32_t low = 0, high = 0;  // kRange
    uint32_t categories = 0;     // bit of each unicode::Category
  };
  std::vector<Item> items;
  bool negated = false;
  std::array<uint64_t, 2> ascii{};  // filled by finish()

  void finish();
  bool has(char32_t c) const { return c < 0x80 ? (ascii[c >> 6] >> (c & 63) & 1) != 0 : slow(c); }

 private:
  bool slow(char32_t c) const;
};

/// The part of Oniguruma's expressions that tokenizer files use: literals, sets (ranges, \s \S \d
/// \D \p{..} of general categories, escapes), ? * + {n,m} and the possessive ?+ *+ ++ on single
/// code points, groups (...) (?:...) (?i:...) of alternatives that are there once or (?) at most
/// once,
/// (?=...) and (?!...). Anything else, and an expression that matches the empty text, is an error:
/// "expected ..., found ...".
/// Const after construction; any number of threads may call it.
class Regex {
 public:
  explicit Regex(std::string_view pattern);

  struct Match {
    size_t begin, end;  // begin == npos: none
  };
  static constexpr size_t npos = SIZE_MAX;

  /// Steps that the matches of one text may take before `find` gives up and throws sterna::Error:
  /// no expression in use comes near, and a hostile one cannot hang.
  struct Budget {
    explicit Budget(std::string_view text) : steps(text.size() * 200 + 100000) {}
    size_t steps;
  };
  /// The first match of `text` (UTF-8) that begins at or behind `from`, never empty.
  Match find(std::string_view text, size_t from, Budget& budget) const;

  struct Node {
    enum Kind : uint8_t { kAccept, kSet, kGroup, kAhead, kNotAhead };
    Kind kind = kAccept;
    bool possessive = false;
    uint32_t set = 0;
    uint32_t min = 1, max = 1;           // of kSet; kGroup: min 0 or 1, max 1
    std::vector<uint32_t> alternatives;  // first nodes
    uint32_t next = 0;                   // kAccept is node 0
  };

 private:
  size_t match(uint32_t node, std::string_view text, size_t at, Budget& budget) const;

  std::string pattern_;
  std::vector<PointSet> sets_;
  std::vector<Node> nodes_;
  uint32_t start_ = 0;
};

}  // namespace sterna::language
