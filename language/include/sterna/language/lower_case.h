#pragma once

#include <string>
#include <string_view>

namespace sterna::language {

/// `text` with every letter in lower case, as Unicode's full mapping has it (and `tokenizers`'
/// Lowercase); no other letter decides about one, so a sigma at a word's end stays like others.
/// Bytes that are not UTF-8 stay as they are.
std::string lower_case(std::string_view text);

}  // namespace sterna::language
