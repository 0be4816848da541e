#include <sterna/vision/colour.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace sterna::vision {

namespace {

// Hue in twelfths of a turn, rounded down; c > 0. The numerator is at most 8 c + 2 c, and adding a
// whole turn (12 c) to a negative one keeps the division non-negative, where it rounds down.
int hue12(int r, int g, int b, int mx, int c) noexcept {
  int n;
  if (mx == r) {
    n = 2 * (g - b);
  } else if (mx == g) {
    n = 4 * c + 2 * (b - r);
  } else {
    n = 8 * c + 2 * (r - g);
  }
  if (n < 0) n += 12 * c;
  return n / c % 12;
}

}  // namespace

size_t colour_bin(int r, int g, int b) noexcept {
  const int mx = std::max({r, g, b});
  const int c = mx - std::min({r, g, b});
  if (c < 24 || c * 100 < 15 * mx) return mx < 64 ? 0 : mx < 192 ? 1 : 2;
  return static_cast<size_t>(3 + 2 * hue12(r, g, b, mx, c) + (mx < 128 ? 0 : 1));
}

void colour_statistics(const uint8_t* rgb, size_t stride, size_t cell, float* out) noexcept {
  std::array<uint64_t, 3> sum{}, square{};
  std::array<uint32_t, kColourBins> bins{};
  for (size_t y = 0; y < cell; ++y) {
    const uint8_t* p = rgb + y * stride;
    for (size_t x = 0; x < cell; ++x, p += 3) {
      for (size_t i = 0; i < 3; ++i) {
        sum[i] += p[i];
        square[i] += static_cast<uint64_t>(p[i]) * p[i];
      }
      ++bins[colour_bin(p[0], p[1], p[2])];
    }
  }
  const uint64_t n = static_cast<uint64_t>(cell) * cell;
  const auto count = static_cast<double>(n);
  for (size_t i = 0; i < 3; ++i) {
    // n * sum(x^2) - sum(x)^2 is exact in integers: 8-bit values, n far below 2^24.
    const uint64_t spread = n * square[i] - sum[i] * sum[i];
    out[i] = static_cast<float>(static_cast<double>(sum[i]) / (count * 255.0));
    out[3 + i] = static_cast<float>(std::sqrt(static_cast<double>(spread)) / (count * 255.0));
  }
  for (size_t i = 0; i < kColourBins; ++i) {
    out[6 + i] = static_cast<float>(static_cast<double>(bins[i]) / count);
  }
}

}  // namespace sterna::vision
