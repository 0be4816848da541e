#include "cli/text.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace sterna::cli {

namespace {

/// Length of the well-formed UTF-8 sequence at `i`, 0 if there is none (Unicode 15, table 3-7).
size_t sequence(std::string_view s, size_t i) {
  const auto byte = [&](size_t at) {
    return at < s.size() ? static_cast<unsigned char>(s[at]) : 0;
  };
  const auto tail = [&](size_t at) { return (byte(at) & 0xC0) == 0x80; };
  const int a = byte(i), b = byte(i + 1);
  if (a < 0x80) return 1;
  if (a >= 0xC2 && a <= 0xDF) return tail(i + 1) ? 2 : 0;
  if (a >= 0xE0 && a <= 0xEF) {
    const bool ok =
        tail(i + 1) && tail(i + 2) && (a != 0xE0 || b >= 0xA0) && (a != 0xED || b < 0xA0);
    return ok ? 3 : 0;
  }
  if (a >= 0xF0 && a <= 0xF4) {
    const bool ok = tail(i + 1) && tail(i + 2) && tail(i + 3) && (a != 0xF0 || b >= 0x90) &&
                    (a != 0xF4 || b < 0x90);
    return ok ? 4 : 0;
  }
  return 0;
}

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void append_hex(std::string& out, char c) {
  constexpr char kDigits[] = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  out += "\\x";
  out += kDigits[byte >> 4];
  out += kDigits[byte & 15];
}

}  // namespace

std::string trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(kBlanks) - first + 1));
}

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t n = sequence(text, i);
    if (n == 0) return false;
    i += n;
  }
  return true;
}

std::string to_utf8(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t n = sequence(text, i);
    out += n == 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(i, n);
    i += n == 0 ? 1 : n;
  }
  return out;
}

std::string printable(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t n = sequence(text, i);
    const auto c = static_cast<unsigned char>(text[i]);
    // C0, DEL, and C1 (U+0080..U+009F, encoded as C2 80..C2 9F).
    const bool control = c < 0x20 || c == 0x7F ||
                         (n == 2 && c == 0xC2 && static_cast<unsigned char>(text[i + 1]) < 0xA0);
    const size_t taken = n == 0 ? 1 : n;
    if (n == 0 || control) {
      for (size_t j = 0; j < taken; ++j) append_hex(out, text[i + j]);
    } else {
      out += text.substr(i, n);
    }
    i += taken;
  }
  return out;
}

std::string base64(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    uint32_t word = 0;
    for (size_t j = 0; j < 3; ++j) {
      word = word << 8 | (j < n ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (size_t j = 0; j < 4; ++j) {
      out += j <= n ? kAlphabet[word >> (18 - 6 * j) & 63] : '=';
    }
  }
  return out;
}

std::string from_base64(std::string_view text) {
  std::string out;
  uint32_t word = 0;
  int bits = 0;
  for (const char c : text) {
    const size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) break;
    word = (word << 6 | static_cast<uint32_t>(digit)) & 0xFFF;  // at most 6 bits are left over
    bits += 6;
    if (bits >= 8) out += static_cast<char>(word >> (bits -= 8) & 0xFF);
  }
  return out;
}

}  // namespace sterna::cli
