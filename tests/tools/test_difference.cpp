#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

#include "watch/difference.h"
#include "watch_script.h"

using namespace sterna;
using namespace sterna::cli;
using namespace sterna::test;
using vision::PixelFormat;

TEST_CASE("difference: noise passes, small things show") {
  uint32_t state = 1;
  const auto noisy = [&](vision::Image image) {
    for (uint8_t& v : image.rgb) {  // -6 .. 6, a standard deviation of 3.7
      state = state * 1664525 + 1013904223;
      v = static_cast<uint8_t>(v + (state >> 24) % 13 - 6);
    }
    return image;
  };
  PixelDifference difference(1.5);
  CHECK(difference.changed(noisy(picture(480, 100)).view()));
  for (int i = 0; i < 20; ++i) CHECK_FALSE(difference.changed(noisy(picture(480, 100)).view()));
  CHECK(difference.changed(noisy(picture(480, 100, 200, 12)).view()));  // 12 x 12 of 480 x 480
  CHECK_FALSE(difference.changed(noisy(picture(480, 100, 200, 12)).view()));
  CHECK(difference.changed(noisy(picture(480, 103)).view()));
  // Slow change adds up: never more than two levels unseen.
  size_t told = 0;
  for (uint8_t level = 103; level < 143; ++level) {
    told += difference.changed(picture(480, level).view()) ? 1 : 0;
  }
  CHECK(told >= 19);
  // Other sizes, formats, tiny pictures, 16 bits.
  CHECK(difference.changed(picture(100, 142).view()));
  const Pixels gray(100 * 100, 142);
  CHECK(difference.changed({gray.data(), 100, 100, 100, PixelFormat::gray, 8}));
  CHECK_FALSE(difference.changed({gray.data(), 100, 100, 100, PixelFormat::gray, 8}));
  CHECK(difference.changed({gray.data(), 3, 1, 3, PixelFormat::gray, 8}));
  const std::vector<uint16_t> deep(64 * 64 * 3, 0x8080), deeper(64 * 64 * 3, 0x8480);
  CHECK(difference.changed({deep.data(), 64, 64, 64 * 6, PixelFormat::rgb, 16}));
  CHECK_FALSE(difference.changed({deep.data(), 64, 64, 64 * 6, PixelFormat::rgb, 16}));
  CHECK(difference.changed({deeper.data(), 64, 64, 64 * 6, PixelFormat::rgb, 16}));
  CHECK_THROWS_AS(difference.changed({nullptr, 0, 0, 0, PixelFormat::rgb, 8}), Error);
}
