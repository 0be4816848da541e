#include <sterna/quant/error.h>
#include <sterna/vision/image_processor.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "resize_float.h"

namespace sterna::vision {
namespace {

using Settings = ImageProcessorSettings;
using Backend = Settings::Backend;
using Resize = Settings::Resize;

constexpr size_t kMostSide = 16384;

std::string text(Sides s) { return std::to_string(s.width) + " x " + std::to_string(s.height); }

/// Python's int(a * b / c): a * b is exact, then one true division.
size_t scaled(size_t a, size_t b, size_t c) {
  return static_cast<size_t>(static_cast<double>(a * b) / static_cast<double>(c));
}

/// transformers' get_resize_output_image_size, which is torchvision's Resize.
Sides by_shortest(Sides p, size_t shortest) {
  const size_t longer = scaled(shortest, std::max(p.width, p.height), std::min(p.width, p.height));
  return p.width <= p.height ? Sides{shortest, longer} : Sides{longer, shortest};
}

/// transformers' get_size_with_aspect_ratio.
Sides by_both_edges(Sides p, size_t shortest, size_t longest) {
  const auto low = static_cast<double>(std::min(p.width, p.height)),
             high = static_cast<double>(std::max(p.width, p.height));
  size_t size = shortest;
  double raw = static_cast<double>(shortest);
  const bool bounded =
      high / low * static_cast<double>(shortest) > static_cast<double>(longest);
  if (bounded) {
    raw = static_cast<double>(longest) * low / high;
    size = static_cast<size_t>(std::nearbyint(raw));  // Python's round(): halves to even
  }
  if ((p.height <= p.width && p.height == size) || (p.width <= p.height && p.width == size)) {
    return p;
  }
  const auto other = [&](size_t side, size_t by) {
    if (!bounded) return scaled(size, side, by);
    return static_cast<size_t>(raw * static_cast<double>(side) / static_cast<double>(by));
  };
  if (p.width < p.height) return {size, other(p.height, p.width)};
  return {other(p.width, p.height), size};
}

/// SigLIP 2's get_image_size_for_max_num_patches: the largest scale, by bisection, with which the
/// sides, rounded up to patches, hold at most so many of them.
Sides by_patches(Sides p, size_t patch, size_t most) {
  constexpr double kEps = 1e-5;
  const auto size = static_cast<double>(patch);
  const auto side = [size](double scale, size_t length) {
    return std::max(size, std::ceil(static_cast<double>(length) * scale / size) * size);
  };
  double low = kEps / 10, high = 100.0;
  while (high - low >= kEps) {
    const double scale = (low + high) / 2;
    const double patches = side(scale, p.height) / size * (side(scale, p.width) / size);
    (patches <= static_cast<double>(most) ? low : high) = scale;
  }
  return {static_cast<size_t>(side(low, p.width)), static_cast<size_t>(side(low, p.height))};
}

/// One side of a centre crop: of `length` pixels those from `from` on land from `to` on.
struct Placed {
  size_t from, to, length;
};

/// transformers' center_crop of NumPy arrays, which pads ceil(missing / 2) before; torchvision's
/// pads floor(missing / 2). Both crop from floor(surplus / 2), torchvision's `CenterCrop` itself
/// from surplus / 2, halves rounded to even.
Placed place(size_t side, size_t crop, Backend backend) {
  if (side >= crop) {
    const size_t surplus = side - crop;
    const bool up = backend == Backend::timm && surplus % 4 == 3;
    return {surplus / 2 + (up ? 1 : 0), 0, crop};
  }
  const size_t missing = crop - side;
  return {0, backend == Backend::pillow ? (missing + 1) / 2 : missing / 2, side};
}

}  // namespace

ImageProcessor::ImageProcessor(const Settings& settings) : settings_(settings), value_{} {
  const Settings& s = settings_;
  const auto fail = [](const std::string& what) {
    throw Error("image processor: expected " + what);
  };
  const auto fits = [](size_t side) { return side > 0 && side <= kMostSide; };
  if (s.resize == Resize::exact && !(fits(s.size.width) && fits(s.size.height)))
    fail("sides of 1 to 16384, found " + text(s.size));
  if (s.resize == Resize::shortest_edge && !fits(s.shortest))
    fail("a shortest edge of 1 to 16384, found " + std::to_string(s.shortest));
  if (s.resize == Resize::patches && (!fits(s.patch) || s.most_patches == 0))
    fail("patches, found none");
  if (s.crop && !(fits(s.crop->width) && fits(s.crop->height)))
    fail("a crop of sides of 1 to 16384, found " + text(*s.crop));
  const bool torch =
      s.backend == Backend::torchvision || s.backend == Backend::torchvision_float;
  for (size_t c = 0; c < 3 && s.normalise; ++c) {
    if (!std::isfinite(s.mean[c]) || !std::isfinite(s.std[c]) || !(s.std[c] > 0))
      fail("a finite mean and a positive std, found " + std::to_string(s.mean[c]) + " and " +
           std::to_string(s.std[c]));
  }
  if (!std::isfinite(s.rescale_factor)) fail("a finite rescale factor");
  if (torch && s.resize != Resize::none && s.filter != Filter::bilinear &&
      s.filter != Filter::bicubic) {
    fail("bilinear or bicubic, found " + std::string(name(s.filter)));
  }
  // pillow: f32(f64(byte) * factor), then f32 steps. torchvision: f32 throughout, and where both
  // happen, mean and std are divided by the factor instead (_fuse_mean_std_and_rescale_factor).
  const bool fused = s.backend == Backend::torchvision && s.rescale && s.normalise;
  const auto inverse = static_cast<float>(1.0 / s.rescale_factor);
  for (size_t c = 0; c < 3; ++c) {
    const auto mean = static_cast<float>(s.mean[c]) * (fused ? inverse : 1.0F),
               std = static_cast<float>(s.std[c]) * (fused ? inverse : 1.0F);
    for (size_t v = 0; v < 256; ++v) {
      auto x = static_cast<float>(v);
      if (s.rescale && !fused) {
        x = torch ? x * static_cast<float>(s.rescale_factor)
                  : static_cast<float>(static_cast<double>(v) * s.rescale_factor);
      }
      if (s.normalise && s.backend != Backend::torchvision_float) x = (x - mean) / std;
      value_[c][v] = x;
    }
  }
}

Sides ImageProcessor::resized(Sides p) const {
  const Settings& s = settings_;
  if (p.width == 0 || p.height == 0)
    throw Error("image processor: expected a picture, found an empty one");
  switch (s.resize) {
    case Resize::none:
      return p;
    case Resize::exact:
      return s.size;
    case Resize::shortest_edge:
      return s.longest == 0 ? by_shortest(p, s.shortest)
                            : by_both_edges(p, s.shortest, s.longest);
    case Resize::patches:
      return by_patches(p, s.patch, s.most_patches);
  }
  return p;
}

Sides ImageProcessor::sides(Sides picture) const {
  const Sides to = settings_.crop ? *settings_.crop : resized(picture);
  if (to.width == 0 || to.height == 0 || to.width > kMostSide || to.height > kMostSide) {
    throw Error("image processor: expected a picture that becomes one with sides of 1 to 16384, "
                "found one of " +
                text(picture) + " that becomes " + text(to));
  }
  return to;
}

void ImageProcessor::pixels(const ImageView& picture, std::span<uint8_t> out,
                            nn::Workspace& workspace, const nn::Executor* executor,
                            quant::Isa isa) const {
  const Settings& s = settings_;
  check_view(picture);
  const Sides given{picture.width, picture.height}, to = sides(given), whole = resized(given);
  if (s.backend == Backend::torchvision_float)
    throw Error("image processor: this one resizes floats, not bytes");
  if (out.size() != to.width * to.height * 3) {
    throw Error("image processor: expected room for " + std::to_string(to.width * to.height * 3) +
                " bytes, found " + std::to_string(out.size()));
  }
  const Rounding rounding =
      s.backend == Backend::torchvision ? Rounding::torch : Rounding::pillow;
  const Placed x = place(whole.width, to.width, s.backend),
               y = place(whole.height, to.height, s.backend);
  const Window window{x.from, y.from, x.length, y.length};
  if (x.length == to.width && y.length == to.height) {
    resize_window(picture, whole.width, whole.height, s.filter, window, out.data(), workspace,
                  executor, isa, rounding);
    return;
  }
  const nn::Workspace::Frame frame(workspace);
  auto* part = reinterpret_cast<uint8_t*>(workspace.bytes(x.length * y.length * 3));
  resize_window(picture, whole.width, whole.height, s.filter, window, part, workspace, executor,
                isa, rounding);
  std::fill(out.begin(), out.end(), uint8_t{0});
  for (size_t row = 0; row < y.length; ++row) {
    std::copy_n(part + row * x.length * 3, x.length * 3,
                out.data() + ((y.to + row) * to.width + x.to) * 3);
  }
}

void ImageProcessor::forward(const ImageView& picture, std::span<float> out,
                             nn::Workspace& workspace, const nn::Executor* executor,
                             quant::Isa isa) const {
  check_view(picture);
  const Sides to = sides({picture.width, picture.height});
  const size_t plane = to.width * to.height;
  if (out.size() != 3 * plane) {
    throw Error("image processor: expected room for " + std::to_string(3 * plane) +
                " floats, found " + std::to_string(out.size()));
  }
  const nn::Workspace::Frame frame(workspace);
  if (settings_.backend == Backend::torchvision_float)
    return forward_float(picture, to, out, workspace, executor);
  const std::span rgb(reinterpret_cast<uint8_t*>(workspace.bytes(3 * plane)), 3 * plane);
  pixels(picture, rgb, workspace, executor, isa);
  for (size_t i = 0; i < plane; ++i) {
    for (size_t c = 0; c < 3; ++c) out[c * plane + i] = value_[c][rgb[3 * i + c]];
  }
}

/// DINOv3's order: rescale, resize, crop, normalise.
void ImageProcessor::forward_float(const ImageView& picture, Sides to, std::span<float> out,
                                   nn::Workspace& workspace, const nn::Executor* executor) const {
  const Settings& s = settings_;
  const Sides whole = resized({picture.width, picture.height});
  if (whole.width > kMostSide || whole.height > kMostSide)
    throw Error("image processor: expected sides of at most 16384, found " + text(whole));
  const size_t stride = picture.width * 3, plane = to.width * to.height;
  auto* rgb = reinterpret_cast<uint8_t*>(workspace.bytes(picture.height * stride));
  to_rgb8(picture, rgb, stride);
  const ImageView view{rgb, picture.width, picture.height, stride, PixelFormat::rgb, 8};
  const std::span planes(
      reinterpret_cast<float*>(workspace.bytes(whole.width * whole.height * 3 * sizeof(float))),
      whole.width * whole.height * 3);
  // Without a resize it is one to the same size, whose weights are 1 and 0.
  resize_float(view, value_[0], whole.width, whole.height,
               s.resize == Resize::none ? Filter::bilinear : s.filter, planes, workspace,
               executor);
  const Placed x = place(whole.width, to.width, s.backend),
               y = place(whole.height, to.height, s.backend);
  std::fill(out.begin(), out.end(), 0.0F);
  for (size_t c = 0; c < 3; ++c) {
    for (size_t row = 0; row < y.length; ++row) {
      std::copy_n(&planes[(c * whole.height + y.from + row) * whole.width + x.from], x.length,
                  &out[c * plane + (y.to + row) * to.width + x.to]);
    }
    if (!s.normalise) continue;
    const auto mean = static_cast<float>(s.mean[c]), std = static_cast<float>(s.std[c]);
    for (float& v : out.subspan(c * plane, plane)) v = (v - mean) / std;
  }
}

}  // namespace sterna::vision
