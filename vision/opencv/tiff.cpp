// TIFF through libtiff, to the pixels of Pillow's convert("RGB"), 16-bit grey by its high byte
// (png.cpp says why): cv::imdecode premultiplies alpha. libtiff sits in this module because
// OpenCV's codecs need it anyway.

#include "tiff.h"

#include <tiffio.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace sterna::opencv {
namespace {

struct Memory {
  const uint8_t* data;
  uint64_t size;
  uint64_t at = 0;
  std::string error;  // the first one
};

tmsize_t read_memory(thandle_t h, void* to, tmsize_t n) {
  auto* m = static_cast<Memory*>(h);
  if (m->at >= m->size || n <= 0) return 0;
  const uint64_t take = std::min<uint64_t>(static_cast<uint64_t>(n), m->size - m->at);
  std::memcpy(to, m->data + m->at, take);
  m->at += take;
  return static_cast<tmsize_t>(take);
}

tmsize_t write_memory(thandle_t, void*, tmsize_t) { return -1; }

toff_t seek_memory(thandle_t h, toff_t offset, int whence) {
  auto* m = static_cast<Memory*>(h);
  m->at = whence == SEEK_SET ? offset : whence == SEEK_CUR ? m->at + offset : m->size + offset;
  return m->at;
}

int close_memory(thandle_t) { return 0; }
toff_t size_of_memory(thandle_t h) { return static_cast<Memory*>(h)->size; }

int on_error(TIFF*, void* user, const char*, const char* format, va_list args) {
  auto* m = static_cast<Memory*>(user);
  if (m->error.empty()) {
    char text[160];
    std::vsnprintf(text, sizeof text, format, args);
    m->error = text;
  }
  return 1;  // handled: nothing is printed
}

int on_warning(TIFF*, void*, const char*, const char*, va_list) { return 1; }

using Tiff = std::unique_ptr<TIFF, void (*)(TIFF*)>;

[[noreturn]] void fail(const Memory& m, const char* otherwise) {
  throw std::runtime_error("truncated or broken TIFF: " + (m.error.empty() ? otherwise : m.error));
}

Tiff open(Memory& m, uint64_t max_pixels) {
  const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(TIFFOpenOptionsAlloc(),
                                                                             TIFFOpenOptionsFree);
  if (!options) throw std::bad_alloc();
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), on_error, &m);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), on_warning, &m);
  // No single allocation needs more than the picture at 16 bits and four samples.
  const uint64_t largest = std::max<uint64_t>(max_pixels, 1 << 22) * 8;
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), static_cast<tmsize_t>(largest));
  return {TIFFClientOpenExt("memory", "rm", &m, read_memory, write_memory, seek_memory,
                            close_memory, size_of_memory, nullptr, nullptr, options.get()),
          [](TIFF* t) { TIFFClose(t); }};
}

/// Throws for samples that nothing here reads, and that libtiff calls no fault of the file either.
void expect_readable_samples(TIFF* t) {
  uint16_t bits = 1, format = SAMPLEFORMAT_UINT;
  TIFFGetFieldDefaulted(t, TIFFTAG_BITSPERSAMPLE, &bits);
  TIFFGetFieldDefaulted(t, TIFFTAG_SAMPLEFORMAT, &format);
  const bool floats = format == SAMPLEFORMAT_IEEEFP;
  if (!floats && (bits == 1 || bits == 2 || bits == 4 || bits == 8 || bits == 16)) return;
  throw std::runtime_error("expected TIFF samples of 1, 2, 4, 8 or 16 bits, found " +
                           std::to_string(bits) + (floats ? " of floating point" : ""));
}

/// How samples of a row become RGB.
struct Layout {
  uint16_t bits = 1, samples = 1, photometric = PHOTOMETRIC_MINISBLACK;
  bool premultiplied = false;
  std::array<std::array<uint8_t, 3>, 256> palette{};

  /// Sample i of a row whose samples are below 8 bits, unscaled.
  uint8_t small(const uint8_t* row, size_t i) const {
    const size_t bit = i * bits;
    return static_cast<uint8_t>(row[bit / 8] >> (8 - bits - bit % 8) & ((1 << bits) - 1));
  }
};

void gray_row(const Layout& l, const uint8_t* in, uint8_t* out, size_t n) {
  const bool white_is_zero = l.photometric == PHOTOMETRIC_MINISWHITE;
  for (size_t x = 0; x < n; ++x, out += 3) {
    uint8_t v;
    if (l.bits == 16) {
      uint16_t wide;
      std::memcpy(&wide, in + x * l.samples * 2, 2);
      v = static_cast<uint8_t>(wide >> 8);
    } else if (l.bits == 8) {
      v = in[x * l.samples];
    } else {
      v = static_cast<uint8_t>(l.small(in, x * l.samples) * 255 / ((1 << l.bits) - 1));
    }
    std::memset(out, white_is_zero ? 255 - v : v, 3);
  }
}

void palette_row(const Layout& l, const uint8_t* in, uint8_t* out, size_t n) {
  for (size_t x = 0; x < n; ++x, out += 3) {
    const uint8_t i = l.bits == 8 ? in[x * l.samples] : l.small(in, x * l.samples);
    std::memcpy(out, l.palette[i].data(), 3);
  }
}

void rgb_row(const Layout& l, const uint8_t* in, uint8_t* out, size_t n) {
  const size_t wide = l.bits / 8;
  constexpr uint16_t kOne = 1;
  uint8_t little;
  std::memcpy(&little, &kOne, 1);
  const size_t high = wide == 2 && little == 1 ? 1 : 0;  // the byte that is kept
  for (size_t x = 0; x < n; ++x, in += l.samples * wide, out += 3) {
    for (size_t c = 0; c < 3; ++c) out[c] = in[c * wide + high];
    if (!l.premultiplied) continue;
    const int alpha = in[3 * wide + high];  // PIL's RGBa
    for (size_t c = 0; c < 3 && alpha != 0 && alpha != 255; ++c) {
      out[c] = static_cast<uint8_t>(std::min(255 * out[c] / alpha, 255));
    }
  }
}

void cmyk_row(const Layout& l, const uint8_t* in, uint8_t* out, size_t n) {
  for (size_t x = 0; x < n; ++x, in += l.samples, out += 3) {
    const int k = 255 - in[3];
    for (size_t c = 0; c < 3; ++c) {
      const int t = in[c] * k + 128;
      out[c] = static_cast<uint8_t>(std::max(k - ((t + (t >> 8)) >> 8), 0));
    }
  }
}

using RowFunction = void (*)(const Layout&, const uint8_t*, uint8_t*, size_t);

/// The layout and its converter, or nullptr for what only libtiff's RGBA interface knows.
RowFunction choose(TIFF* t, Layout& l) {
  uint16_t planar = PLANARCONFIG_CONTIG, format = SAMPLEFORMAT_UINT, compression = 1;
  TIFFGetFieldDefaulted(t, TIFFTAG_BITSPERSAMPLE, &l.bits);
  TIFFGetFieldDefaulted(t, TIFFTAG_SAMPLESPERPIXEL, &l.samples);
  TIFFGetFieldDefaulted(t, TIFFTAG_PLANARCONFIG, &planar);
  TIFFGetFieldDefaulted(t, TIFFTAG_SAMPLEFORMAT, &format);
  TIFFGetFieldDefaulted(t, TIFFTAG_COMPRESSION, &compression);
  if (TIFFGetField(t, TIFFTAG_PHOTOMETRIC, &l.photometric) == 0) return nullptr;
  if (planar != PLANARCONFIG_CONTIG || l.samples == 0 || format != SAMPLEFORMAT_UINT)
    return nullptr;
  const bool whole = l.bits == 8 || l.bits == 16;
  const bool any = whole || l.bits == 1 || l.bits == 2 || l.bits == 4;
  switch (l.photometric) {
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_MINISWHITE:
      return any ? gray_row : nullptr;
    case PHOTOMETRIC_PALETTE: {
      uint16_t *r = nullptr, *g = nullptr, *b = nullptr;
      if (!any || l.bits == 16 || TIFFGetField(t, TIFFTAG_COLORMAP, &r, &g, &b) == 0)
        return nullptr;
      for (size_t i = 0; i < size_t{1} << l.bits; ++i) {
        l.palette[i] = {static_cast<uint8_t>(r[i] >> 8), static_cast<uint8_t>(g[i] >> 8),
                        static_cast<uint8_t>(b[i] >> 8)};
      }
      return palette_row;
    }
    case PHOTOMETRIC_YCBCR:
      if (compression != COMPRESSION_JPEG || l.bits != 8 || l.samples != 3) return nullptr;
      TIFFSetField(t, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
      return rgb_row;
    case PHOTOMETRIC_RGB: {
      uint16_t extras = 0, *kinds = nullptr;
      TIFFGetFieldDefaulted(t, TIFFTAG_EXTRASAMPLES, &extras, &kinds);
      l.premultiplied = l.bits == 8 && l.samples == 4 && extras > 0 && kinds != nullptr &&
                        kinds[0] == EXTRASAMPLE_ASSOCALPHA;
      return whole && l.samples >= 3 ? rgb_row : nullptr;
    }
    case PHOTOMETRIC_SEPARATED:
      return l.bits == 8 && l.samples >= 4 ? cmyk_row : nullptr;
    default:
      return nullptr;
  }
}

void read_strips(TIFF* t, const Memory& m, const Layout& l, RowFunction convert, uint8_t* out,
                 uint32_t width, uint32_t height) {
  const auto line = static_cast<size_t>(TIFFScanlineSize(t));
  if (line < (size_t{width} * l.samples * l.bits + 7) / 8) fail(m, "rows shorter than its width");
  std::vector<uint8_t> row(line);
  for (uint32_t y = 0; y < height; ++y) {
    if (TIFFReadScanline(t, row.data(), y, 0) != 1) fail(m, "a row is missing");
    convert(l, row.data(), out + size_t{y} * width * 3, width);
  }
}

void read_tiles(TIFF* t, const Memory& m, const Layout& l, RowFunction convert, uint8_t* out,
                uint32_t width, uint32_t height) {
  uint32_t tile_w = 0, tile_h = 0;
  TIFFGetField(t, TIFFTAG_TILEWIDTH, &tile_w);
  TIFFGetField(t, TIFFTAG_TILELENGTH, &tile_h);
  const auto line = static_cast<size_t>(TIFFTileRowSize(t));
  const tmsize_t size = TIFFTileSize(t);
  if (tile_w == 0 || tile_h == 0 || size <= 0 ||
      line < (size_t{tile_w} * l.samples * l.bits + 7) / 8 ||
      static_cast<size_t>(size) / tile_h < line) {
    fail(m, "tiles of an impossible size");
  }
  // Grows as libtiff's own tile buffer does: bounded by the allocation limit of the handle.
  std::vector<uint8_t> tile(static_cast<size_t>(size));
  for (uint32_t y = 0; y < height; y += std::min(tile_h, height - y)) {
    for (uint32_t x = 0; x < width; x += std::min(tile_w, width - x)) {
      if (TIFFReadTile(t, tile.data(), x, y, 0, 0) < 0) fail(m, "a tile is missing");
      for (uint32_t r = 0; r < std::min(tile_h, height - y); ++r) {
        convert(l, tile.data() + r * line, out + (size_t{y + r} * width + x) * 3,
                std::min(tile_w, width - x));
      }
    }
  }
}

}  // namespace

void decode_tiff(const uint8_t* bytes, size_t size, const SternaPictureSink& sink) {
  Memory m{bytes, size, 0, {}};
  const Tiff tiff = open(m, sink.max_pixels);
  if (!tiff) fail(m, "no directory");
  TIFF* t = tiff.get();
  expect_readable_samples(t);
  uint32_t width = 0, height = 0;
  uint16_t orientation = ORIENTATION_TOPLEFT;
  TIFFGetField(t, TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(t, TIFFTAG_IMAGELENGTH, &height);
  TIFFGetFieldDefaulted(t, TIFFTAG_ORIENTATION, &orientation);
  uint8_t* out = sink.allocate(sink.context, width, height);
  if (out == nullptr) return;  // the sink knows why

  Layout layout;
  if (const RowFunction convert = choose(t, layout)) {
    const bool tiled = TIFFIsTiled(t) != 0;
    if (tiled && static_cast<uint64_t>(TIFFTileSize64(t)) > sink.max_pixels * 8) {
      fail(m, "tiles larger than the limit");
    }
    (tiled ? read_tiles : read_strips)(t, m, layout, convert, out, width, height);
    return;
  }
  // Planes apart, LAB, subsampled YCbCr, odd depths: libtiff's own conversion, upright as stored.
  std::vector<uint32_t> abgr(size_t{width} * height);
  if (TIFFReadRGBAImageOriented(t, width, height, abgr.data(), orientation, 1) == 0) {
    fail(m, "its pixels do not decode");
  }
  for (uint32_t p : abgr) {
    *out++ = static_cast<uint8_t>(TIFFGetR(p));
    *out++ = static_cast<uint8_t>(TIFFGetG(p));
    *out++ = static_cast<uint8_t>(TIFFGetB(p));
  }
}

}  // namespace sterna::opencv
