#include "watch/difference.h"

#include <sterna/vision/resize.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace sterna::cli {
namespace {

/// Sum of channel `c` over some pixels of [x0, x1) x [y0, y1).
template <class T>
double sum(const vision::ImageView& p, size_t channels, size_t c, size_t x0, size_t x1, size_t y0,
           size_t y1, size_t step) {
  double total = 0;
  for (size_t y = y0; y < y1; y += step) {
    const auto* row =
        reinterpret_cast<const T*>(static_cast<const std::byte*>(p.data) + y * p.stride);
    uint64_t line = 0;
    for (size_t x = x0; x < x1; x += step) line += row[x * channels + c];
    total += static_cast<double>(line);
  }
  return total;
}

}  // namespace

void PixelDifference::sign(const vision::ImageView& p, Signature& out) {
  const size_t bytes = vision::pixel_bytes(p);
  const size_t channels = bytes / (p.bits == 16 ? 2 : 1);
  const size_t seen = std::min<size_t>(channels, 3);  // not alpha
  for (size_t by = 0; by < kBlocks; ++by) {
    // Blocks of a picture smaller than the grid share pixels.
    const size_t y0 = by * p.height / kBlocks;
    const size_t y1 = std::max(y0 + 1, (by + 1) * p.height / kBlocks);
    for (size_t bx = 0; bx < kBlocks; ++bx) {
      const size_t x0 = bx * p.width / kBlocks;
      const size_t x1 = std::max(x0 + 1, (bx + 1) * p.width / kBlocks);
      // About 256 pixels of each block, whatever the size of the picture.
      const double area = static_cast<double>((x1 - x0) * (y1 - y0));
      const size_t step = std::max<size_t>(1, static_cast<size_t>(std::sqrt(area / 256)));
      const auto count =
          static_cast<double>(((x1 - x0 + step - 1) / step) * ((y1 - y0 + step - 1) / step));
      for (size_t c = 0; c < 3; ++c) {
        const size_t channel = std::min(c, seen - 1);
        const double mean =
            p.bits == 16 ? sum<uint16_t>(p, channels, channel, x0, x1, y0, y1, step) / count / 257
                         : sum<uint8_t>(p, channels, channel, x0, x1, y0, y1, step) / count;
        out[(by * kBlocks + bx) * 3 + c] = static_cast<float>(mean);
      }
    }
  }
}

bool PixelDifference::changed(const vision::ImageView& picture) {
  vision::check_view(picture);
  sign(picture, next_);
  const bool same = any_ && picture.width == width_ && picture.height == height_ &&
                    picture.format == format_ &&
                    std::equal(next_.begin(), next_.end(), last_.begin(), [&](float a, float b) {
                      return std::abs(static_cast<double>(a) - static_cast<double>(b)) <= levels_;
                    });
  if (same) return false;
  any_ = true;
  width_ = picture.width;
  height_ = picture.height;
  format_ = picture.format;
  std::swap(last_, next_);
  return true;
}

}  // namespace sterna::cli
