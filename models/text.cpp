#include "text.h"

#include <cmath>
#include <cstdio>

namespace sterna::models {
namespace {

// Bytes of the UTF-8 character that starts at text[i], or 0 if there is none. Over-long forms pass:
// they can't break a line, which is all that matters here.
size_t utf8_length(std::string_view text, size_t i) {
  const auto byte = [&](size_t j) { return static_cast<unsigned char>(text[j]); };
  const unsigned char lead = byte(i);
  const size_t n = lead < 0x80         ? 1
                   : (lead >> 5) == 6  ? 2
                   : (lead >> 4) == 14 ? 3
                   : (lead >> 3) == 30 ? 4
                                       : 0;
  if (n == 0 || n > text.size() - i) return 0;
  for (size_t j = 1; j < n; ++j) {
    if ((byte(i + j) >> 6) != 2) return 0;
  }
  // U+0080..U+009F are control characters too.
  return n == 2 && lead == 0xC2 && byte(i + 1) < 0xA0 ? 0 : n;
}

}  // namespace

std::string in_quotes(std::string_view text) {
  constexpr size_t limit = 80;
  std::string out = "\"";
  for (size_t i = 0; i < text.size();) {
    if (out.size() > limit) return out + "...\"";
    const size_t n = utf8_length(text, i);
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (n == 0 || c < 0x20 || c == 0x7F || c == '"' || c == '\\') {
      char escape[5];
      std::snprintf(escape, sizeof escape, "\\x%02x", c);
      out += escape;
      ++i;
    } else {
      out += text.substr(i, n);
      i += n;
    }
  }
  return out + "\"";
}

void check_embedding(std::string_view file, std::span<const float> embedding) {
  for (const float v : embedding) {
    if (std::isfinite(v)) continue;
    throw Error(std::string(file) + ": embedding: expected finite numbers, found " +
                std::to_string(v));
  }
}

std::string shape_text(std::span<const uint64_t> shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i != 0) out += ", ";
    out += std::to_string(shape[i]);
  }
  return out + "]";
}

}  // namespace sterna::models
