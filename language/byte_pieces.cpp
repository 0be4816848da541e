#include "sterna/language/byte_pieces.h"

#include <array>

#include "byte_level.h"
#include "utf8.h"

namespace sterna::language {
namespace {

constexpr char32_t kLetters = 0x144;  // letters of bytes are below

/// The byte of each letter, or -1.
const std::array<int, kLetters>& letter_bytes() {
  static const std::array<int, kLetters> table = [] {
    std::array<int, kLetters> bytes{};
    bytes.fill(-1);
    for (int b = 0; b < 256; ++b) bytes[byte_letter(static_cast<unsigned char>(b))] = b;
    return bytes;
  }();
  return table;
}

}  // namespace

std::string join_byte_level(std::span<const std::string_view> pieces) {
  std::string out;
  for (std::string_view piece : pieces) {
    while (!piece.empty()) {
      const utf8::Decoded letter = utf8::decode(piece);
      const size_t size = letter.size == 0 ? 1 : letter.size;
      const bool known = letter.size != 0 && letter.code < kLetters;
      const int byte = known ? letter_bytes()[letter.code] : -1;
      if (byte >= 0) {
        out += static_cast<char>(byte);
      } else {
        out += piece.substr(0, size);
      }
      piece.remove_prefix(size);
    }
  }
  return utf8::repair(out).value_or(std::move(out));
}

}  // namespace sterna::language
