#include "orientation.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

namespace sterna::vision {

std::optional<int> tiff_orientation(Bytes t) {
  if (t.size() < 8) return {};
  const bool little = has(t, 0, "II");
  if (!little && !has(t, 0, "MM")) return {};
  const auto u16 = [&](size_t i) { return little ? le16(t, i) : be16(t, i); };
  const auto u32 = [&](size_t i) { return little ? le32(t, i) : be32(t, i); };
  if (u16(2) != 42) return {};
  const size_t directory = u32(4);
  if (directory > t.size() - 2) return {};
  const size_t entries = std::min<size_t>(u16(directory), (t.size() - directory - 2) / 12);
  for (size_t i = 0; i < entries; ++i) {
    const size_t at = directory + 2 + 12 * i;
    if (u16(at) != 0x0112) continue;
    const uint32_t type = u16(at + 2);
    // SHORT by the standard; some writers use LONG or BYTE, which Pillow reads too.
    const uint32_t value = type == 3 ? u16(at + 8) : type == 4 ? u32(at + 8) : u8(t, at + 8);
    if (u32(at + 4) != 1 || (type != 1 && type != 3 && type != 4)) return {};
    return value >= 1 && value <= 8 ? std::optional<int>(static_cast<int>(value)) : std::nullopt;
  }
  return {};
}

std::optional<int> xmp_orientation(Bytes xmp) {
  const std::string_view text(reinterpret_cast<const char*>(xmp.data()), xmp.size());
  constexpr std::string_view kKey = "tiff:Orientation";
  for (size_t at = text.find(kKey); at != text.npos; at = text.find(kKey, at + 1)) {
    std::string_view rest = text.substr(at + kKey.size());
    if (rest.starts_with("=\"")) {
      rest.remove_prefix(2);
    } else if (rest.starts_with(">")) {
      rest.remove_prefix(1);
    } else {
      continue;
    }
    if (rest.empty() || rest[0] < '0' || rest[0] > '9') continue;
    const int value = rest[0] - '0';
    return value >= 1 && value <= 8 ? std::optional<int>(value) : std::nullopt;
  }
  return {};
}

Image turned(Image in, int orientation) {
  if (orientation <= 1 || orientation > 8) return in;
  const size_t w = in.width, h = in.height;
  const bool swap = orientation >= 5;
  const size_t out_w = swap ? h : w;
  const size_t out_h = swap ? w : h;
  // Source pixel of output (x, y): origin + x * dx + y * dy, in pixels.
  const auto sw = static_cast<ptrdiff_t>(w), sh = static_cast<ptrdiff_t>(h);
  ptrdiff_t origin = 0, dx = 0, dy = 0;
  switch (orientation) {
    case 2:
      origin = sw - 1, dx = -1, dy = sw;
      break;  // mirrored
    case 3:
      origin = sh * sw - 1, dx = -1, dy = -sw;
      break;  // half turn
    case 4:
      origin = (sh - 1) * sw, dx = 1, dy = -sw;
      break;  // upside-down mirror
    case 5:
      origin = 0, dx = sw, dy = 1;
      break;  // transpose
    case 6:
      origin = (sh - 1) * sw, dx = -sw, dy = 1;
      break;  // quarter turn clockwise
    case 7:
      origin = sh * sw - 1, dx = -sw, dy = -1;
      break;  // transverse
    default:
      origin = sw - 1, dx = sw, dy = -1;
      break;  // quarter turn back
  }
  Image out{out_w, out_h, std::vector<uint8_t>(in.rgb.size())};
  // Square tiles keep both sides of a transposition in cache.
  constexpr size_t kTile = 32;
  for (size_t y0 = 0; y0 < out_h; y0 += kTile) {
    for (size_t x0 = 0; x0 < out_w; x0 += kTile) {
      for (size_t y = y0; y < std::min(y0 + kTile, out_h); ++y) {
        uint8_t* to = out.rgb.data() + (y * out_w + x0) * 3;
        for (size_t x = x0; x < std::min(x0 + kTile, out_w); ++x, to += 3) {
          const ptrdiff_t from =
              origin + static_cast<ptrdiff_t>(x) * dx + static_cast<ptrdiff_t>(y) * dy;
          std::memcpy(to, in.rgb.data() + from * 3, 3);
        }
      }
    }
  }
  return out;
}

}  // namespace sterna::vision
