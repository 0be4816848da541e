#include <sterna/quant/error.h>
#include <sterna/vision/resize.h>

#include <cstring>
#include <string>

namespace sterna::vision {
namespace {

size_t channels(PixelFormat format) noexcept {
  switch (format) {
    case PixelFormat::gray:
      return 1;
    case PixelFormat::rgb:
    case PixelFormat::bgr:
      return 3;
    case PixelFormat::rgba:
    case PixelFormat::bgra:
      return 4;
  }
  return 0;
}

/// One row; T is the channel, red/green/blue its offsets in a pixel of `step` channels.
template <class T>
void row_to_rgb8(const T* in, uint8_t* out, size_t width, size_t step, size_t red, size_t green,
                 size_t blue) {
  constexpr int kShift = 8 * (sizeof(T) - 1);
  for (size_t x = 0; x < width; ++x, in += step, out += 3) {
    out[0] = static_cast<uint8_t>(in[red] >> kShift);
    out[1] = static_cast<uint8_t>(in[green] >> kShift);
    out[2] = static_cast<uint8_t>(in[blue] >> kShift);
  }
}

}  // namespace

size_t pixel_bytes(const ImageView& view) noexcept {
  return channels(view.format) * static_cast<size_t>(view.bits) / 8;
}

void check_view(const ImageView& v) {
  const auto fail = [](const std::string& what) { throw Error("image view: expected " + what); };
  if (v.bits != 8 && v.bits != 16) fail("8 or 16 bits a channel, found " + std::to_string(v.bits));
  if (channels(v.format) == 0) fail("a known pixel format");
  if (v.data == nullptr || v.width == 0 || v.height == 0) {
    fail("pixels, found an empty picture of " + std::to_string(v.width) + " x " +
         std::to_string(v.height));
  }
  const size_t pixel = pixel_bytes(v);
  if (v.width > SIZE_MAX / pixel || v.height > SIZE_MAX / v.width / 8 ||
      (v.stride != 0 && v.height > SIZE_MAX / v.stride)) {
    fail("a size that fits in memory, found " + std::to_string(v.width) + " x " +
         std::to_string(v.height));
  }
  if (v.height > 1 && v.stride < v.width * pixel) {
    fail("rows at least " + std::to_string(v.width * pixel) + " bytes apart, found " +
         std::to_string(v.stride));
  }
  if (v.bits == 16 && (reinterpret_cast<uintptr_t>(v.data) % 2 != 0 || v.stride % 2 != 0)) {
    fail("16-bit channels at even addresses");
  }
}

void to_rgb8(const ImageView& v, uint8_t* out, size_t stride) {
  check_view(v);
  const size_t step = channels(v.format);
  const bool gray = v.format == PixelFormat::gray;
  const bool blue_first = v.format == PixelFormat::bgr || v.format == PixelFormat::bgra;
  const size_t red = blue_first ? 2 : 0, green = gray ? 0 : 1, blue = gray || blue_first ? 0 : 2;
  for (size_t y = 0; y < v.height; ++y, out += stride) {
    const auto* in = static_cast<const uint8_t*>(v.data) + y * v.stride;
    if (v.bits == 16) {
      row_to_rgb8(reinterpret_cast<const uint16_t*>(in), out, v.width, step, red, green, blue);
    } else if (v.format == PixelFormat::rgb) {
      std::memcpy(out, in, v.width * 3);
    } else {
      row_to_rgb8(in, out, v.width, step, red, green, blue);
    }
  }
}

}  // namespace sterna::vision
