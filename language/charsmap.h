#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sterna::language {

/// The "precompiled_charsmap" of a SentencePiece model: replacements of graphemes and code points,
/// found in a double-array trie (Darts-clone; what the spm_precompiled crate reads). Layout: a
/// little-endian uint32 of the trie's bytes, its uint32 units, then replacements that end in '\0'.
/// Hostile bytes: every index is checked when it is used, and one outside finds nothing.
class Charsmap {
 public:
  /// Throws sterna::Error without a place: "expected ..., found ...".
  explicit Charsmap(std::string_view bytes);

  /// Calls emit(from, to) for each part of `text` (UTF-8) in order: `to` is its replacement, or
  /// `from` itself. A grapheme of up to 5 bytes is looked up whole, then each code point; the
  /// shortest key that starts it wins and stands for all of it.
  template <class Emit>
  void map(std::string_view text, Emit emit) const;

 private:
  /// Null data where there is none.
  std::string_view replacement(std::string_view part) const;

  std::vector<uint32_t> units_;
  std::string texts_;
};

}  // namespace sterna::language

#include "graphemes.h"
#include "utf8.h"

namespace sterna::language {

template <class Emit>
void Charsmap::map(std::string_view text, Emit emit) const {
  while (!text.empty()) {
    const std::string_view grapheme = text.substr(0, grapheme_size(text));
    text.remove_prefix(grapheme.size());
    if (grapheme.size() < 6) {
      const std::string_view whole = replacement(grapheme);
      if (whole.data() != nullptr) {
        emit(grapheme, whole);
        continue;
      }
    }
    for (const char *p = grapheme.data(), *end = p + grapheme.size(); p != end;) {
      const char* const from = p;
      utf8::next(p);
      const std::string_view one(from, static_cast<size_t>(p - from));
      const std::string_view to = replacement(one);
      emit(one, to.data() != nullptr ? to : one);
    }
  }
}

}  // namespace sterna::language
