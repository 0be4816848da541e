#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sterna::language {

/// The text of pieces of byte-level BPE (GPT-2): each letter of theirs stands for a byte, one that
/// stands for none for itself. Bytes that are no UTF-8 become U+FFFD, as by Python's "replace".
std::string join_byte_level(std::span<const std::string_view> pieces);

}  // namespace sterna::language
