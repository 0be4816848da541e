#pragma once

#include <sterna/vision/resize.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sterna::vision {

/// How a picture of any shape becomes a square one.
enum class Fit {
  stretch,          // both sides to `size`, aspect not kept
  short_side_crop,  // short side to `short_side`, then the middle size x size
};

/// "stretch", "short_side_crop".
std::string_view name(Fit fit) noexcept;
/// Inverse of name(); throws sterna::Error listing the known names.
Fit parse_fit(std::string_view text);

/// What a model file says about the pixels its tower was trained on.
struct Preprocess {
  size_t size = 224;
  Filter filter = Filter::bicubic;
  Fit fit = Fit::stretch;
  size_t short_side = 0;                     // of short_side_crop; 0 = size. At least `size`.
  std::array<float, 3> mean{127, 127, 127};  // in units of a pixel, 0..255
  std::array<float, 3> std{128, 128, 128};
};

/// Throws sterna::Error unless sizes, means and deviations are usable.
void check(const Preprocess& p);

/// The picture at p.size x p.size, RGB8 packed, to `out` [size * size * 3].
/// stretch is Pillow's resize; short_side_crop is torchvision's Resize (long side
/// int(short_side * long / short)) and CenterCrop (corner round_half_even((side - size) / 2)).
/// Same guarantees as resize_window().
void fit_pixels(const ImageView& picture, const Preprocess& p, std::span<uint8_t> out,
                nn::Workspace& workspace, const nn::Executor* executor = nullptr,
                quant::Isa isa = quant::best_isa());

/// Which part of a picture of width x height pixels fit_pixels() keeps: x0, y0, x1, y1 in shares of
/// its sides. {0, 0, 1, 1} for stretch. Throws sterna::Error for an empty picture.
std::array<float, 4> seen_share(const Preprocess& p, size_t width, size_t height);

/// The same part of a picture, `times` as wide and high.
Preprocess enlarged(Preprocess p, size_t times);

/// Order of a float picture in memory.
enum class Layout { hwc, chw };

/// (pixel - mean) / std in f32, one division a value. `rgb` is n packed pixels, `out` [n * 3].
void normalise(std::span<const uint8_t> rgb, const Preprocess& p, Layout layout,
               std::span<float> out);

}  // namespace sterna::vision
