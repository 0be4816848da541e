#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sterna::language::utf8 {

/// A code point and the bytes it took; size 0 marks bytes that are not UTF-8.
struct Decoded {
  char32_t code;
  uint32_t size;
};

/// The code point at the front of non-empty `s`; on an error {U+FFFD, 0}.
Decoded decode(std::string_view s) noexcept;

/// The code point at `p`, which must be valid UTF-8; moves p past it.
inline char32_t next(const char*& p) noexcept {
  const auto byte = [&](int i) { return static_cast<char32_t>(static_cast<unsigned char>(p[i])); };
  const char32_t b = byte(0);
  if (b < 0x80) return p += 1, b;
  if (b < 0xE0) {
    const char32_t c = (b & 0x1F) << 6 | (byte(1) & 0x3F);
    return p += 2, c;
  }
  if (b < 0xF0) {
    const char32_t c = (b & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    return p += 3, c;
  }
  const char32_t c =
      (b & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
  return p += 4, c;
}

/// Writes c (not a surrogate, at most U+10FFFF) to `out`, 4 bytes wide; returns its size.
inline size_t encode(char32_t c, char* out) noexcept {
  const auto put = [&](int i, char32_t bits) { out[i] = static_cast<char>(bits); };
  if (c < 0x80) return put(0, c), 1;
  if (c < 0x800) return put(0, 0xC0 | c >> 6), put(1, 0x80 | (c & 0x3F)), 2;
  if (c < 0x10000)
    return put(0, 0xE0 | c >> 12), put(1, 0x80 | (c >> 6 & 0x3F)), put(2, 0x80 | (c & 0x3F)), 3;
  put(0, 0xF0 | c >> 18), put(1, 0x80 | (c >> 12 & 0x3F));
  return put(2, 0x80 | (c >> 6 & 0x3F)), put(3, 0x80 | (c & 0x3F)), 4;
}

/// `s` with every maximal ill-formed part replaced by U+FFFD (Unicode 3.9, "maximal subparts"; what
/// Python's bytes.decode("utf-8", "replace") does); nothing if `s` is UTF-8 already.
std::optional<std::string> repair(std::string_view s);

}  // namespace sterna::language::utf8
