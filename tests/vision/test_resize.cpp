#include <doctest/doctest.h>
#include <sterna/quant/error.h>
#include <sterna/vision/preprocess.h>
#include <sterna/vision/resize.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "pixels_support.h"

using namespace sterna;
using namespace sterna::vision;
using quant::Isa;

namespace {

std::vector<Isa> isas() {
  std::vector<Isa> found;
  for (Isa isa : quant::kEveryIsa) {
    if (quant::has_isa(isa)) found.push_back(isa);
  }
  return found;
}

std::vector<uint8_t> resized(const ImageView& view, size_t w, size_t h, Filter filter, Isa isa,
                             const nn::Executor* executor = nullptr) {
  std::vector<uint8_t> out(w * h * 3);
  nn::Workspace workspace;
  resize_window(view, w, h, filter, {0, 0, w, h}, out.data(), workspace, executor, isa);
  return out;
}

}  // namespace

TEST_CASE("resize equals Pillow bit for bit on every ISA and any number of threads") {
  const nn::Executor three(3);
  for (const auto& row : test::table(test::golden("resized.tsv"))) {
    const bool blocks = row.at(0) == "blocks";
    const size_t w = std::stoul(row.at(2)), h = std::stoul(row.at(3));
    const size_t to_w = std::stoul(row.at(4)), to_h = std::stoul(row.at(5));
    const Image image = test::noise(w, h, std::stoul(row.at(1)), blocks);
    const Filter filter = parse_filter(row.at(6));
    for (Isa isa : isas()) {
      INFO(row.at(0), " ", w, "x", h, " -> ", to_w, "x", to_h, " ", row.at(6), " ",
           std::string(quant::name(isa)));
      CHECK(test::fnv1a(resized(image.view(), to_w, to_h, filter, isa)) == row.at(7));
      CHECK(test::fnv1a(resized(image.view(), to_w, to_h, filter, isa, &three)) == row.at(7));
    }
  }
}

TEST_CASE("every ISA equals the scalar reference on ragged sizes") {
  // All widths near the vector lengths, so that every tail of every kernel runs.
  for (size_t from = 1; from <= 40; from += 3) {
    for (size_t to = 1; to <= 70; to += 2) {
      const Image image = test::noise(from, 41 - from, from * 100 + to, to % 4 == 1);
      const auto want = resized(image.view(), to, 23, Filter::bicubic, Isa::scalar);
      for (Isa isa : isas()) {
        INFO(from, " -> ", to, " ", std::string(quant::name(isa)));
        CHECK(resized(image.view(), to, 23, Filter::bicubic, isa) == want);
      }
    }
  }
}

TEST_CASE("a window is a crop of the whole result") {
  const Image image = test::noise(123, 77, 4);
  for (const auto& size :
       {std::pair<size_t, size_t>{50, 60}, {123, 30}, {200, 77}, {123, 77}, {60, 9}}) {
    const size_t w = size.first, h = size.second;  // clang 14 cannot capture bindings in INFO
    const auto whole = resized(image.view(), w, h, Filter::bicubic, quant::best_isa());
    const Window window{w / 5, h / 3, w / 2, h / 2};
    std::vector<uint8_t> out(window.width * window.height * 3);
    nn::Workspace workspace;
    resize_window(image.view(), w, h, Filter::bicubic, window, out.data(), workspace);
    for (size_t y = 0; y < window.height; ++y) {
      INFO(w, "x", h, " row ", y);
      CHECK(std::equal(out.data() + y * window.width * 3, out.data() + (y + 1) * window.width * 3,
                       whole.data() + ((window.y + y) * w + window.x) * 3));
    }
  }
}

TEST_CASE("views of every format give the pixels of their RGB picture") {
  const size_t w = 37, h = 29;
  const Image image = test::noise(w, h, 8);
  const auto want = resized(image.view(), 16, 20, Filter::bicubic, Isa::scalar);
  std::vector<uint8_t> gray_rgb(w * h * 3);
  for (size_t i = 0; i < w * h; ++i) std::memset(&gray_rgb[i * 3], image.rgb[i * 3], 3);
  const auto want_gray = resized({gray_rgb.data(), w, h, w * 3, PixelFormat::rgb, 8}, 16, 20,
                                 Filter::bicubic, Isa::scalar);
  for (int bits : {8, 16}) {
    for (PixelFormat format : {PixelFormat::rgb, PixelFormat::bgr, PixelFormat::rgba,
                               PixelFormat::bgra, PixelFormat::gray}) {
      const size_t channels = format == PixelFormat::gray                                ? 1
                              : format == PixelFormat::rgb || format == PixelFormat::bgr ? 3
                                                                                         : 4;
      const size_t bytes = static_cast<size_t>(bits) / 8;
      const size_t stride = w * channels * bytes + 10;
      // Exactly the bytes of the view: a sanitizer sees any read past the last row.
      std::vector<uint8_t> data(stride * (h - 1) + w * channels * bytes, 0xEE);
      for (size_t y = 0; y < h; ++y) {
        for (size_t x = 0; x < w; ++x) {
          const uint8_t* rgb = &image.rgb[(y * w + x) * 3];
          const bool bgr = format == PixelFormat::bgr || format == PixelFormat::bgra;
          const uint8_t pixel[4] = {rgb[bgr ? 2 : 0], rgb[1], rgb[bgr ? 0 : 2], 7};
          for (size_t c = 0; c < channels; ++c) {
            uint8_t* at = &data[y * stride + (x * channels + c) * bytes];
            const auto wide = static_cast<uint16_t>(pixel[c] << 8 | 0x9C);
            if (bits == 8) {
              *at = pixel[c];
            } else {
              std::memcpy(at, &wide, 2);
            }
          }
        }
      }
      const ImageView view{data.data(), w, h, stride, format, bits};
      for (Isa isa : isas()) {
        INFO(static_cast<int>(format), " ", bits, " ", std::string(quant::name(isa)));
        CHECK(resized(view, 16, 20, Filter::bicubic, isa) ==
              (format == PixelFormat::gray ? want_gray : want));
      }
    }
  }
}

TEST_CASE("resizing allocates nothing once its workspace is warm") {
  const Image image = test::noise(640, 480, 1);
  std::vector<uint8_t> out(224 * 224 * 3);
  nn::Workspace workspace;
  const auto run = [&] {
    resize_window(image.view(), 224, 224, Filter::bicubic, {0, 0, 224, 224}, out.data(), workspace);
  };
  run();
  const size_t warm = workspace.system_allocations();
  for (int i = 0; i < 5; ++i) run();
  CHECK(workspace.system_allocations() == warm);
}

TEST_CASE("impossible resizes are refused") {
  const Image image = test::noise(4, 4, 1);
  std::vector<uint8_t> out(64);
  nn::Workspace w;
  CHECK_THROWS_AS(resize(image.view(), 0, 4, Filter::box), Error);
  CHECK_THROWS_AS(resize({}, 4, 4, Filter::box), Error);
  CHECK_THROWS_AS(resize({image.rgb.data(), 4, 4, 11, PixelFormat::rgb, 8}, 2, 2, Filter::box),
                  Error);
  CHECK_THROWS_AS(resize({image.rgb.data(), 4, 4, 12, PixelFormat::rgb, 12}, 2, 2, Filter::box),
                  Error);
  CHECK_THROWS_AS(resize_window(image.view(), 4, 4, Filter::box, {2, 0, 3, 1}, out.data(), w),
                  Error);
  CHECK_THROWS_WITH_AS(parse_filter("cubic"),
                       "resize filter: expected one of nearest, box, bilinear, hamming, bicubic, "
                       "lanczos, found \"cubic\"",
                       Error);
}

TEST_CASE("short_side_crop equals torchvision's resize and centre crop") {
  for (const auto& row : test::table(test::golden("fitted.tsv"))) {
    const size_t w = std::stoul(row.at(0)), h = std::stoul(row.at(1));
    Preprocess p;
    p.fit = Fit::short_side_crop;
    p.short_side = std::stoul(row.at(2));
    p.size = std::stoul(row.at(3));
    p.filter = parse_filter(row.at(4));
    std::vector<uint8_t> out(p.size * p.size * 3);
    nn::Workspace workspace;
    fit_pixels(test::noise(w, h, w + h).view(), p, out, workspace);
    INFO(w, "x", h, " ", p.short_side, " ", p.size, " ", row.at(4));
    CHECK(test::fnv1a(out) == row.at(5));
  }
}

TEST_CASE("normalise subtracts the mean and divides by the deviation") {
  Preprocess p;
  p.mean = {127, 100.5F, 0};
  p.std = {128, 58.395F, 255};
  const std::vector<uint8_t> rgb{0, 1, 2, 255, 254, 253};
  std::vector<float> hwc(6), chw(6);
  normalise(rgb, p, Layout::hwc, hwc);
  normalise(rgb, p, Layout::chw, chw);
  for (size_t i = 0; i < 2; ++i) {
    for (size_t c = 0; c < 3; ++c) {
      const float want = (static_cast<float>(rgb[i * 3 + c]) - p.mean[c]) / p.std[c];
      CHECK(hwc[i * 3 + c] == want);
      CHECK(chw[c * 2 + i] == want);
    }
  }
  p.std[1] = 0;
  CHECK_THROWS_AS(normalise(rgb, p, Layout::hwc, hwc), Error);
}

TEST_CASE("the part of a picture that is seen, in shares of its sides") {
  vision::Preprocess p;
  CHECK(vision::seen_share(p, 640, 480) == std::array<float, 4>{0, 0, 1, 1});
  p.fit = Fit::short_side_crop;
  p.size = 200;
  p.short_side = 250;
  // 500 x 250 after resizing: columns 150 to 350, rows 25 to 225.
  const auto seen = vision::seen_share(p, 1000, 500);
  CHECK(seen[0] == doctest::Approx(0.3));
  CHECK(seen[1] == doctest::Approx(0.1));
  CHECK(seen[2] == doctest::Approx(0.7));
  CHECK(seen[3] == doctest::Approx(0.9));
  CHECK(vision::seen_share(vision::enlarged(p, 2), 1000, 500) == seen);
  CHECK_THROWS_AS(vision::seen_share(p, 0, 5), Error);
}
