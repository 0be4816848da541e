// The first frame of a GIF through giflib, as Pillow shows it: on a screen filled with the
// transparent index (or index 0), widened where the frame leaves it; transparency dropped.

#include <gif_lib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "../codec.h"

namespace sterna::vision {
namespace {

struct Source {
  Bytes bytes;
  size_t at = 0;
};

extern "C" {
static int on_read(GifFileType* gif, GifByteType* to, int n) {
  auto* s = static_cast<Source*>(gif->UserData);
  const size_t take = std::min(static_cast<size_t>(n), s->bytes.size() - s->at);
  std::memcpy(to, s->bytes.data() + s->at, take);
  s->at += take;
  return static_cast<int>(take);
}
}

struct Close {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};
using Gif = std::unique_ptr<GifFileType, Close>;

[[noreturn]] void fail(int code) {
  const char* text = GifErrorString(code);
  throw Fault(std::string("truncated or broken GIF: ") + (text != nullptr ? text : "unknown"));
}

/// Reads up to the first frame's descriptor; returns the transparent index, or -1.
int seek_frame(GifFileType* gif) {
  int transparent = -1;
  for (;;) {
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    if (DGifGetRecordType(gif, &type) == GIF_ERROR) fail(gif->Error);
    if (type == TERMINATE_RECORD_TYPE) throw Fault("GIF without a picture");
    if (type == IMAGE_DESC_RECORD_TYPE) {
      if (DGifGetImageDesc(gif) == GIF_ERROR) fail(gif->Error);
      return transparent;
    }
    if (type != EXTENSION_RECORD_TYPE) continue;
    int code = 0;
    GifByteType* block = nullptr;  // length, then bytes
    if (DGifGetExtension(gif, &code, &block) == GIF_ERROR) fail(gif->Error);
    if (code == GRAPHICS_EXT_FUNC_CODE && block != nullptr && block[0] >= 4 &&
        (block[1] & 1) != 0) {
      transparent = block[4];
    }
    while (block != nullptr) {
      if (DGifGetExtensionNext(gif, &block) == GIF_ERROR) fail(gif->Error);
    }
  }
}

/// Index -> colour. No map, or one that is i -> (i, i, i), means grey, also for the indices that
/// the map lacks; indices past another map are black.
std::array<std::array<uint8_t, 3>, 256> colours(const ColorMapObject* map) {
  std::array<std::array<uint8_t, 3>, 256> lut{};
  bool grey = true;
  const int n = map != nullptr ? std::min(map->ColorCount, 256) : 0;
  for (int i = 0; i < n; ++i) {
    const GifColorType& c = map->Colors[i];
    lut[static_cast<size_t>(i)] = {c.Red, c.Green, c.Blue};
    grey = grey && c.Red == i && c.Green == i && c.Blue == i;
  }
  for (size_t i = 0; grey && i < 256; ++i) lut[i].fill(static_cast<uint8_t>(i));
  return lut;
}

}  // namespace

Image decode_gif(Bytes bytes, const DecodeLimits& limits) {
  Source source{bytes};
  int error = 0;
  const Gif gif(DGifOpen(&source, on_read, &error));
  if (!gif) fail(error);
  const int transparent = seek_frame(gif.get());
  const GifImageDesc& d = gif->Image;
  if (d.Left < 0 || d.Top < 0 || d.Width <= 0 || d.Height <= 0) {
    throw Fault("broken GIF: an empty frame");
  }
  const auto left = static_cast<size_t>(d.Left), top = static_cast<size_t>(d.Top);
  const auto w = static_cast<size_t>(d.Width), h = static_cast<size_t>(d.Height);
  Image image = allocate(std::max(static_cast<size_t>(std::max(gif->SWidth, 0)), left + w),
                         std::max(static_cast<size_t>(std::max(gif->SHeight, 0)), top + h), limits);
  const auto lut = colours(d.ColorMap != nullptr ? d.ColorMap : gif->SColorMap);
  const auto& fill = lut[transparent >= 0 ? static_cast<size_t>(transparent) : 0];
  for (size_t i = 0; i < image.rgb.size(); i += 3) std::memcpy(&image.rgb[i], fill.data(), 3);

  // Interlaced rows come as every 8th, the 8ths between, the 4ths, the odd ones.
  constexpr std::array<size_t, 4> kStart{0, 4, 2, 1}, kStep{8, 8, 4, 2};
  std::vector<GifPixelType> line(w);
  const auto read_row = [&](size_t y) {
    if (DGifGetLine(gif.get(), line.data(), d.Width) == GIF_ERROR) fail(gif->Error);
    uint8_t* to = image.rgb.data() + ((top + y) * image.width + left) * 3;
    for (size_t x = 0; x < w; ++x, to += 3) std::memcpy(to, lut[line[x]].data(), 3);
  };
  for (size_t pass = 0; pass < (d.Interlace ? 4U : 1U); ++pass) {
    const size_t step = d.Interlace ? kStep[pass] : 1;
    for (size_t y = d.Interlace ? kStart[pass] : 0; y < h; y += step) read_row(y);
  }
  return image;
}

}  // namespace sterna::vision
