#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/isa.h>
#include <sterna/vision/image.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sterna::vision {

/// Resampling filters of Pillow. All but nearest antialias: support grows with the reduction.
enum class Filter { nearest, box, bilinear, hamming, bicubic, lanczos };

/// Whose fixed point the weights of a resize have. torch is PyTorch's `interpolate` of uint8 with
/// antialias=True, which torchvision's resize of bytes runs on processors with AVX2: weights of 16
/// bits, and never the vertical pass first. The two differ by a level here and there.
enum class Rounding { pillow, torch };

/// "nearest", "box", "bilinear", "hamming", "bicubic", "lanczos".
std::string_view name(Filter filter) noexcept;
/// Inverse of name(); throws sterna::Error listing the known names.
Filter parse_filter(std::string_view text);

/// A rectangle of a picture, in pixels.
struct Window {
  size_t x = 0;
  size_t y = 0;
  size_t width = 0;
  size_t height = 0;
};

/// Resizes `src` to width x height and writes the pixels of `window` of that result to `out`
/// (RGB8, rows packed: window.width * 3 bytes apart; must not overlap `src`).
///
/// Bit for bit Pillow 13's `Image.resize((width, height), filter)` on the RGB8 picture
/// (libImaging/Resample.c, 8bpc): weights in double, rounded to 22 fractional bits, a horizontal
/// and a vertical pass with a rounding to 8 bits between. Pillow 13 runs the vertical pass first
/// where height shrinks by more than twice the pixels that width does; older Pillows never do, and
/// differ by a level there. With Rounding::torch it is PyTorch's result instead, bit for bit.
/// Formats other than RGB8 are taken as to_rgb8() takes them.
///
/// The result is the same for every ISA and any number of threads. Allocates nothing once
/// `workspace` is warm. Throws sterna::Error for an empty size, a window outside it, or an
/// impossible view.
void resize_window(const ImageView& src, size_t width, size_t height, Filter filter,
                   const Window& window, uint8_t* out, nn::Workspace& workspace,
                   const nn::Executor* executor = nullptr, quant::Isa isa = quant::best_isa(),
                   Rounding rounding = Rounding::pillow);

/// The whole picture, allocated.
Image resize(const ImageView& src, size_t width, size_t height, Filter filter);

/// Any view to RGB8, rows `stride` bytes apart: channels reordered, grey repeated, alpha dropped,
/// 16 bits taken to 8 by their high byte. `out` must not overlap the view.
void to_rgb8(const ImageView& src, uint8_t* out, size_t stride);

/// Throws sterna::Error unless the view is non-empty, 8 or 16 bits, and its rows fit its stride.
void check_view(const ImageView& view);
/// Bytes of one pixel of the view.
size_t pixel_bytes(const ImageView& view) noexcept;

}  // namespace sterna::vision
