#pragma once

#include <string>
#include <string_view>

namespace sterna::language {

/// Unicode's normal forms (UAX 15) with the mappings of `tokenizers`.
struct NormalForm {
  bool compose;        // NFC, NFKC
  bool compatibility;  // NFKC, NFKD
};

/// `text` (UTF-8) in a normal form. O(n log n) in the longest run of combining marks.
std::string normal_form(std::string_view text, NormalForm form);

}  // namespace sterna::language
