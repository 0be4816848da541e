#include <sterna/quant/error.h>
#include <sterna/vision/preprocess.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace sterna::vision {

std::string_view name(Fit fit) noexcept {
  return fit == Fit::stretch ? "stretch" : "short_side_crop";
}

Fit parse_fit(std::string_view text) {
  for (Fit f : {Fit::stretch, Fit::short_side_crop}) {
    if (text == name(f)) return f;
  }
  throw Error("picture fit: expected stretch or short_side_crop, found \"" + std::string(text) +
              '"');
}

void check(const Preprocess& p) {
  constexpr size_t kMaxSize = 8192;
  if (p.size == 0 || p.size > kMaxSize) {
    throw Error("preprocess: expected a size of 1 to 8192, found " + std::to_string(p.size));
  }
  if (p.short_side != 0 && (p.short_side < p.size || p.short_side > kMaxSize)) {
    throw Error("preprocess: expected a short side of " + std::to_string(p.size) +
                " to 8192, found " + std::to_string(p.short_side));
  }
  for (size_t c = 0; c < 3; ++c) {
    if (!std::isfinite(p.mean[c]) || !std::isfinite(p.std[c]) || p.std[c] <= 0) {
      throw Error("preprocess: expected a finite mean and a positive std, found " +
                  std::to_string(p.mean[c]) + " and " + std::to_string(p.std[c]));
    }
  }
}

Preprocess enlarged(Preprocess p, size_t times) {
  p.size *= times, p.short_side *= times;
  return p;
}

namespace {

/// Python's round((side - size) / 2.0): halves to even.
size_t crop_start(size_t side, size_t size) {
  const size_t twice = side - size;
  return twice / 2 + (twice % 2 == 1 && twice / 2 % 2 == 1 ? 1 : 0);
}

/// Of short_side_crop: the sides a picture is resized to, and the window kept of them.
struct Crop {
  size_t width, height;
  Window window;
};

Crop crop_of(const Preprocess& p, size_t w, size_t h) {
  const size_t target = p.short_side != 0 ? p.short_side : p.size;
  const size_t small = std::min(w, h), large = std::max(w, h);
  // torchvision computes in Python: target * large is exact, then a true division and int().
  const auto scaled =
      static_cast<size_t>(static_cast<double>(target * large) / static_cast<double>(small));
  const size_t new_w = w <= h ? target : scaled, new_h = w <= h ? scaled : target;
  return {new_w, new_h, {crop_start(new_w, p.size), crop_start(new_h, p.size), p.size, p.size}};
}

}  // namespace

std::array<float, 4> seen_share(const Preprocess& p, size_t width, size_t height) {
  check(p);
  if (width == 0 || height == 0) throw Error("preprocess: expected a picture, found an empty one");
  if (p.fit == Fit::stretch) return {0, 0, 1, 1};
  const Crop crop = crop_of(p, width, height);
  const auto share = [](size_t part, size_t whole) {
    return static_cast<float>(static_cast<double>(part) / static_cast<double>(whole));
  };
  return {share(crop.window.x, crop.width), share(crop.window.y, crop.height),
          share(crop.window.x + p.size, crop.width), share(crop.window.y + p.size, crop.height)};
}

void fit_pixels(const ImageView& picture, const Preprocess& p, std::span<uint8_t> out,
                nn::Workspace& workspace, const nn::Executor* executor, quant::Isa isa) {
  check(p);
  check_view(picture);
  if (out.size() != p.size * p.size * 3) {
    throw Error("preprocess: expected room for " + std::to_string(p.size * p.size * 3) +
                " bytes, found " + std::to_string(out.size()));
  }
  if (p.fit == Fit::stretch) {
    resize_window(picture, p.size, p.size, p.filter, {0, 0, p.size, p.size}, out.data(), workspace,
                  executor, isa);
    return;
  }
  const Crop crop = crop_of(p, picture.width, picture.height);
  resize_window(picture, crop.width, crop.height, p.filter, crop.window, out.data(), workspace,
                executor, isa);
}

void normalise(std::span<const uint8_t> rgb, const Preprocess& p, Layout layout,
               std::span<float> out) {
  check(p);
  if (rgb.size() % 3 != 0 || out.size() != rgb.size()) {
    throw Error("normalise: expected as many floats as bytes, three a pixel, found " +
                std::to_string(rgb.size()) + " bytes and " + std::to_string(out.size()) +
                " floats");
  }
  std::array<std::array<float, 256>, 3> value;
  for (size_t c = 0; c < 3; ++c) {
    for (size_t v = 0; v < 256; ++v) {
      value[c][v] = (static_cast<float>(v) - p.mean[c]) / p.std[c];
    }
  }
  const size_t pixels = rgb.size() / 3;
  const size_t step = layout == Layout::hwc ? 3 : 1, plane = layout == Layout::hwc ? 1 : pixels;
  for (size_t i = 0; i < pixels; ++i) {
    for (size_t c = 0; c < 3; ++c) out[i * step + c * plane] = value[c][rgb[3 * i + c]];
  }
}

}  // namespace sterna::vision
