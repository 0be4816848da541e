#include "utf8.h"

#include <algorithm>
#include <cstring>

namespace sterna::language::utf8 {

namespace {

/// Unicode table 3-7: bytes that follow a lead byte, and the range of the first of them (which
/// keeps out overlong forms, surrogates and numbers past U+10FFFF). 0: not a lead byte.
struct Lead {
  uint32_t following;
  unsigned char low, high;
};

Lead lead(unsigned char b) {
  if (b < 0xC2) return {0, 0, 0};
  if (b < 0xE0) return {1, 0x80, 0xBF};
  if (b < 0xF0)
    return {2, b == 0xE0 ? uint8_t{0xA0} : uint8_t{0x80},
            b == 0xED ? uint8_t{0x9F} : uint8_t{0xBF}};
  if (b < 0xF5)
    return {3, b == 0xF0 ? uint8_t{0x90} : uint8_t{0x80},
            b == 0xF4 ? uint8_t{0x8F} : uint8_t{0xBF}};
  return {0, 0, 0};
}

/// Bytes at the front of `s` that belong to one code point or to one ill-formed part of it.
struct Part {
  uint32_t size;
  bool whole;
};

Part part(std::string_view s) {
  const auto b = static_cast<unsigned char>(s[0]);
  if (b < 0x80) return {1, true};
  const Lead l = lead(b);
  for (uint32_t i = 1; i <= l.following; ++i) {
    const auto c = i < s.size() ? static_cast<unsigned char>(s[i]) : uint8_t{0};
    const bool fits = i == 1 ? c >= l.low && c <= l.high : (c & 0xC0) == 0x80;
    if (!fits) return {i, false};
  }
  return {l.following + 1, l.following > 0};
}

/// Bytes at the front of s that are ASCII, eight at a time.
size_t ascii(std::string_view s) {
  size_t i = 0;
  for (; i + 8 <= s.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, s.data() + i, 8);
    if (word & 0x8080808080808080u) break;
  }
  while (i < s.size() && static_cast<unsigned char>(s[i]) < 0x80) ++i;
  return i;
}

}  // namespace

Decoded decode(std::string_view s) noexcept {
  const Part p = part(s);
  if (!p.whole) return {0xFFFD, 0};
  const char* at = s.data();
  return {next(at), p.size};
}

std::optional<std::string> repair(std::string_view s) {
  std::optional<std::string> fixed;
  size_t i = 0, copied = 0;
  while (i += ascii(s.substr(i)), i < s.size()) {
    const Part p = part(s.substr(i));
    if (!p.whole) {
      if (!fixed) fixed.emplace().reserve(s.size() + 16);
      fixed->append(s.substr(copied, i - copied)).append("\xEF\xBF\xBD");
      copied = i + p.size;
    }
    i += p.size;
  }
  if (fixed) fixed->append(s.substr(copied));
  return fixed;
}

}  // namespace sterna::language::utf8
