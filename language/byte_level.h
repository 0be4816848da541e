#pragma once

#include <string>
#include <string_view>

#include "utf8.h"

namespace sterna::language {

/// GPT-2's letter for a byte (its encoder.py, bytes_to_unicode): itself where it prints, else
/// U+0100 and on in order.
inline char32_t byte_letter(unsigned char b) {
  if (b <= ' ') return 0x100u + b;
  if (b >= 0x7F && b <= 0xA0) return 0x121u + (b - 0x7Fu);
  return b == 0xAD ? 0x143u : b;
}

/// The letters of a character's bytes.
inline void append_byte_level(char32_t c, std::string& out) {
  char bytes[4], letter[4];
  const size_t size = utf8::encode(c, bytes);
  for (size_t i = 0; i < size; ++i)
    out.append(letter, utf8::encode(byte_letter(static_cast<unsigned char>(bytes[i])), letter));
}

}  // namespace sterna::language
