// stb_image: BMP in every build; JPEG, PNG and GIF too in a build with STERNA_OPENCV=OFF, which
// links no codec library at all. stb reads past the end of a truncated file as zeros, so what it
// does not notice is checked here first.

#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "../codec.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_ONLY_BMP
#ifndef STERNA_HAVE_OPENCV
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_GIF
#endif
#if defined(__clang__)
// memcpy(nullptr, ..., 0) for an empty PNG chunk: undefined on paper, harmless, not ours to mend.
#pragma clang attribute push(__attribute__((no_sanitize("nonnull-attribute"))), apply_to = function)
#endif
#include <stb/stb_image.h>
#if defined(__clang__)
#pragma clang attribute pop
#endif
#pragma GCC diagnostic pop

namespace sterna::vision {
namespace {

void check_bmp(Bytes b) {
  if (b.size() < 34) throw Fault("truncated BMP: the header ends early");
  const bool core = le32(b, 14) == 12;
  const uint64_t width = core ? le16(b, 18) : le32(b, 18);
  const uint32_t stored = core ? le16(b, 20) : le32(b, 22);
  const uint64_t height = !core && stored >> 31 ? 0 - stored : stored;
  const uint64_t bits = core ? le16(b, 24) : le16(b, 28);
  const uint32_t compression = core ? 0 : le32(b, 30);
  if (compression != 0 && compression != 3) {
    throw Fault("expected an uncompressed BMP, found compression " + std::to_string(compression));
  }
  const uint64_t want = le32(b, 10) + (width * bits + 31) / 32 * 4 * height;
  if (b.size() < want) {
    throw Fault("truncated BMP: expected " + std::to_string(want) + " bytes, found " +
                std::to_string(b.size()));
  }
}

#ifndef STERNA_HAVE_OPENCV
/// Debian 12's stb_image writes past its tables where a DHT segment claims more than 256 codes (a
/// later version checks). `at` is the segment's length field. stb reads whole tables even where
/// the segment is too short for them, and zeros after the end of the file; so does this.
void check_huffman_tables(Bytes b, size_t at) {
  const auto byte = [&](size_t i) { return i < b.size() ? uint32_t{u8(b, i)} : 0; };
  int64_t left = int64_t{be16(b, at)} - 2;
  for (at += 2; left > 0;) {
    uint32_t codes = 0;
    for (size_t k = 1; k <= 16; ++k) codes += byte(at + k);
    if (codes > 256) {
      throw Fault("broken JPEG: expected a Huffman table of up to 256 codes, found " +
                  std::to_string(codes));
    }
    left -= 17 + int64_t{codes};
    at += 17 + size_t{codes};
  }
}

/// Follows the segments and scans to the end marker, as stb_image will.
void check_jpeg(Bytes b) {
  for (size_t i = 2; i + 1 < b.size(); ++i) {
    if (u8(b, i) != 0xFF) continue;
    const uint8_t marker = u8(b, i + 1);
    if (marker == 0xD9) return;
    const bool bare = marker <= 1 || (marker >= 0xD0 && marker <= 0xD8) || marker == 0xFF;
    if (bare || i + 3 >= b.size()) continue;
    if (marker == 0xC4) check_huffman_tables(b, i + 2);
    i += be16(b, i + 2) + 1;
  }
  throw Fault("truncated JPEG: expected an end marker, found the end of the data");
}

/// Follows the blocks of the first frame to their terminator.
void check_gif(Bytes b) {
  size_t i = 13;
  if ((u8(b, 10) & 0x80) != 0) i += size_t{3} << ((u8(b, 10) & 7) + 1);
  for (bool frame = false; i < b.size();) {
    const uint8_t kind = u8(b, i);
    if (kind == ',' && b.size() - i > 10) {
      frame = true;
      const uint8_t flags = u8(b, i + 9);
      i += 11 + ((flags & 0x80) != 0 ? size_t{3} << ((flags & 7) + 1) : 0);
    } else if (kind == '!') {
      i += 2;
    } else {
      ++i;
      continue;
    }
    while (i < b.size() && u8(b, i) != 0) i += 1 + size_t{u8(b, i)};
    if (i < b.size() && frame) return;
    ++i;
  }
  throw Fault("truncated GIF: its first frame does not end");
}
#endif

}  // namespace

Image decode_stb(Bytes bytes, Format format, const DecodeLimits& limits) {
  if (format == Format::bmp) check_bmp(bytes);
#ifndef STERNA_HAVE_OPENCV
  if (format == Format::jpeg) check_jpeg(bytes);
  if (format == Format::gif) check_gif(bytes);
#endif
  if (bytes.size() > INT_MAX) throw Fault("expected at most 2 GiB");
  const auto* data = reinterpret_cast<const stbi_uc*>(bytes.data());
  const int size = static_cast<int>(bytes.size());
  int w = 0, h = 0, channels = 0;
  const auto fail = [&] {
    const char* why = stbi_failure_reason();
    throw Fault("truncated or broken " + std::string(name(format)) + ": " +
                (why != nullptr ? why : "unknown"));
  };
  // Its own idea of the size is what it allocates, so that is what gets checked.
  if (stbi_info_from_memory(data, size, &w, &h, &channels) == 0) fail();
  // A BMP stored top row first reports a negative height.
  const int64_t rows = h < 0 ? -int64_t{h} : int64_t{h};
  Image image = allocate(static_cast<uint64_t>(w), static_cast<uint64_t>(rows), limits);
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(data, size, &w, &h, &channels, 3), std::free);
  if (!pixels) fail();
  if (static_cast<size_t>(w) != image.width || static_cast<size_t>(h) != image.height) {
    throw Fault("broken " + std::string(name(format)) + ": its headers disagree on the size");
  }
  std::memcpy(image.rgb.data(), pixels.get(), image.rgb.size());
  return image;
}

}  // namespace sterna::vision
