#pragma once

#include <string>
#include <string_view>

namespace sterna::cli {

/// `text` without the blanks (also tabs and ends of lines) around it.
std::string trimmed(std::string_view text);

/// Whether `text` is well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF).
bool is_utf8(std::string_view text);

/// `text` as well-formed UTF-8: every byte that does not belong becomes U+FFFD.
std::string to_utf8(std::string_view text);

/// `text` on one line of a terminal: control characters and bytes that are no UTF-8 as \xHH, so a
/// hostile file name can neither break a line nor steer the terminal.
std::string printable(std::string_view text);

/// RFC 4648 base64, padded.
std::string base64(std::string_view bytes);
/// Its inverse; what is no digit of it ends the text.
std::string from_base64(std::string_view text);

}  // namespace sterna::cli
