#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sterna::language {

/// Unicode's normal forms (UAX 15) with the mappings of `tokenizers`.
struct NormalForm {
  bool compose;        // NFC, NFKC
  bool compatibility;  // NFKC, NFKD
};

/// `text` (UTF-8) in a normal form. O(n log n) in the longest run of combining marks.
/// `changes`, if given, becomes what each code point of the result is to those of `text`: 1 a new
/// one behind the one before, 0 in the place of one, -n in the place of 1 + n.
std::string normal_form(std::string_view text, NormalForm form,
                        std::vector<int32_t>* changes = nullptr);

}  // namespace sterna::language
