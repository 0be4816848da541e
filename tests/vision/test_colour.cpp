#include <doctest/doctest.h>
#include <sterna/vision/colour.h>

#include <cmath>
#include <vector>

using namespace sterna;

namespace {

int floor_div(int a, int b) { return static_cast<int>(std::floor(static_cast<double>(a) / b)); }

/// The definition, with a real floor and a real modulus.
size_t reference_bin(int r, int g, int b) {
  const int mx = std::max(r, std::max(g, b)), mn = std::min(r, std::min(g, b)), c = mx - mn;
  if (c < 24 || c * 100 < 15 * mx) return mx < 64 ? 0 : mx < 192 ? 1 : 2;
  int hue;
  if (mx == r) {
    hue = floor_div(2 * (g - b), c);
  } else if (mx == g) {
    hue = floor_div(4 * c + 2 * (b - r), c);
  } else {
    hue = floor_div(8 * c + 2 * (r - g), c);
  }
  hue = (hue % 12 + 12) % 12;
  return static_cast<size_t>(3 + 2 * hue + (mx < 128 ? 0 : 1));
}

}  // namespace

TEST_CASE("named colours fall into their bins") {
  CHECK(vision::colour_bin(0, 0, 0) == 0);
  CHECK(vision::colour_bin(128, 128, 128) == 1);
  CHECK(vision::colour_bin(255, 255, 255) == 2);
  CHECK(vision::colour_bin(255, 0, 0) == 3 + 2 * 0 + 1);
  CHECK(vision::colour_bin(100, 0, 0) == 3 + 2 * 0);
  CHECK(vision::colour_bin(255, 255, 0) == 3 + 2 * 2 + 1);
  CHECK(vision::colour_bin(0, 255, 0) == 3 + 2 * 4 + 1);
  CHECK(vision::colour_bin(0, 255, 255) == 3 + 2 * 6 + 1);
  CHECK(vision::colour_bin(0, 0, 255) == 3 + 2 * 8 + 1);
  CHECK(vision::colour_bin(255, 0, 255) == 3 + 2 * 10 + 1);
  CHECK(vision::colour_bin(255, 0, 1) == 3 + 2 * 11 + 1);  // just below a whole turn
}

TEST_CASE("every third colour has the bin of the definition") {
  size_t wrong = 0;
  for (int r = 0; r < 256; r += 3) {
    for (int g = 0; g < 256; g += 3) {
      for (int b = 0; b < 256; b += 3) {
        if (vision::colour_bin(r, g, b) != reference_bin(r, g, b)) ++wrong;
      }
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("statistics of a cell: mean, population deviation, shares, and nothing outside it") {
  constexpr size_t cell = 4, stride = 40;
  std::vector<uint8_t> rgb(cell * stride, 77);
  for (size_t y = 0; y < cell; ++y) {
    for (size_t x = 0; x < cell; ++x) {
      uint8_t* p = &rgb[y * stride + x * 3];
      p[0] = x < 2 ? 255 : 0;  // half red, half black
      p[1] = p[2] = 0;
    }
  }
  float out[vision::kColourFeatures];
  vision::colour_statistics(rgb.data(), stride, cell, out);
  CHECK(out[0] == 0.5f);
  CHECK(out[1] == 0.0f);
  CHECK(out[3] == 0.5f);
  CHECK(out[4] == 0.0f);
  float total = 0;
  for (size_t i = 0; i < vision::kColourBins; ++i) total += out[6 + i];
  CHECK(total == 1.0f);
  CHECK(out[6 + 0] == 0.5f);
  CHECK(out[6 + 4] == 0.5f);
}
