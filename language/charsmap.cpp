#include "charsmap.h"

#include <sterna/quant/error.h>

#include <algorithm>

namespace sterna::language {

namespace {

// A unit of a double array (Darts-clone): label or value, whether a value hangs below, and how far
// its children lie.
bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t value(uint32_t unit) { return unit & 0x7FFFFFFF; }
uint32_t label(uint32_t unit) { return unit & 0x800000FF; }
size_t offset(uint32_t unit) { return size_t{unit >> 10} << ((unit & 0x200) >> 6); }

}  // namespace

Charsmap::Charsmap(std::string_view bytes) {
  const auto u32 = [&](size_t at) {
    uint32_t n = 0;
    for (size_t i = 0; i < 4; ++i)
      n |= uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
    return n;
  };
  if (bytes.size() < 4)
    throw Error("expected a charsmap of at least 4 bytes, found " + std::to_string(bytes.size()));
  const size_t units = u32(0) / 4;
  if (units == 0 || units > (bytes.size() - 4) / 4)
    throw Error("expected a trie of 1 to " + std::to_string((bytes.size() - 4) / 4) +
                " units, found " + std::to_string(units));
  units_.resize(units);
  for (size_t i = 0; i < units; ++i) units_[i] = u32(4 + 4 * i);
  texts_ = bytes.substr(4 + 4 * units);
  if (utf8::repair(texts_)) throw Error("expected replacements in UTF-8, found other bytes");
}

std::string_view Charsmap::replacement(std::string_view part) const {
  size_t at = offset(units_[0]);
  for (const char c : part) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) break;
    at ^= byte;
    if (at >= units_.size() || label(units_[at]) != byte) break;
    const uint32_t unit = units_[at];
    at ^= offset(unit);
    if (!has_leaf(unit)) continue;
    if (at >= units_.size()) break;
    const size_t begin = value(units_[at]);
    const auto inside = [&](size_t i) {
      return i < texts_.size() && (static_cast<unsigned char>(texts_[i]) & 0xC0) != 0x80;
    };
    // One past the end is an empty replacement at the end of the file; a cut code point is a fault.
    if (begin > texts_.size() || (begin < texts_.size() && !inside(begin))) break;
    const size_t end = std::min(texts_.find('\0', begin), texts_.size());
    return std::string_view(texts_).substr(begin, end - begin);
  }
  return {};
}

}  // namespace sterna::language
