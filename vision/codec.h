#pragma once

// What decode.cpp and the codecs agree on. A codec throws Fault with what it expected and found;
// decode.cpp puts the file's name in front of it.

#include <sterna/quant/error.h>
#include <sterna/vision/decode.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace sterna::vision {

using Bytes = std::span<const std::byte>;

/// An error that does not name its file yet.
struct Fault : std::runtime_error {
  explicit Fault(const std::string& what) : std::runtime_error(what) {}
};

/// Throws Fault if width x height is empty or more than the limit allows.
void check_size(uint64_t width, uint64_t height, const DecodeLimits& limits);

/// An image of that size, after check_size().
Image allocate(uint64_t width, uint64_t height, const DecodeLimits& limits);

/// Header readers and decoders, one a format. A decoder returns pixels as stored, unturned.
Probe probe_header(Bytes bytes);

Image decode_jpeg(Bytes bytes, const DecodeLimits& limits);
Image decode_png(Bytes bytes, const DecodeLimits& limits);
Image decode_webp(Bytes bytes, const DecodeLimits& limits);
Image decode_gif(Bytes bytes, const DecodeLimits& limits);
/// stb_image: BMP, and in a build without the others JPEG, PNG and GIF.
Image decode_stb(Bytes bytes, Format format, const DecodeLimits& limits);
/// The module loaded on demand: TIFF, JPEG 2000, PNM.
Image decode_module(Bytes bytes, Format format, const DecodeLimits& limits);

inline uint8_t u8(Bytes b, size_t i) { return std::to_integer<uint8_t>(b[i]); }
inline uint32_t be16(Bytes b, size_t i) { return uint32_t{u8(b, i)} << 8 | u8(b, i + 1); }
inline uint32_t le16(Bytes b, size_t i) { return uint32_t{u8(b, i + 1)} << 8 | u8(b, i); }
inline uint32_t be32(Bytes b, size_t i) { return be16(b, i) << 16 | be16(b, i + 2); }
inline uint32_t le32(Bytes b, size_t i) { return le16(b, i + 2) << 16 | le16(b, i); }
/// Whether `b` holds `text` at offset i.
inline bool has(Bytes b, size_t i, std::string_view text) {
  if (i > b.size() || b.size() - i < text.size()) return false;
  for (size_t k = 0; k < text.size(); ++k) {
    if (u8(b, i + k) != static_cast<uint8_t>(text[k])) return false;
  }
  return true;
}

}  // namespace sterna::vision
