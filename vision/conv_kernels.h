#pragma once

#include <sterna/quant/isa.h>

#include <cstddef>
#include <cstdint>

namespace sterna::vision {

/// Geometry of a 2-D convolution over channel-last floats, with TensorFlow's SAME padding: the
/// output is ceil(size / stride) and an odd unit of padding goes to the bottom and the right.
struct ConvShape {
  size_t h = 0, w = 0, c = 0;  // input [h, w, c]
  size_t kernel = 3;
  size_t stride = 1;
  size_t m = 0;  // output channels; equal to c in a depthwise convolution

  static constexpr size_t out(size_t size, size_t stride) { return (size + stride - 1) / stride; }
  static constexpr size_t pad(size_t size, size_t kernel, size_t stride) {
    const size_t need = (out(size, stride) - 1) * stride + kernel;
    return need > size ? (need - size) / 2 : 0;
  }
  size_t oh() const { return out(h, stride); }
  size_t ow() const { return out(w, stride); }
  size_t pad_top() const { return pad(h, kernel, stride); }
  size_t pad_left() const { return pad(w, kernel, stride); }
  /// Input rows [first, last) that output rows [r0, r1) read.
  size_t first_row(size_t r0) const {
    return r0 * stride > pad_top() ? r0 * stride - pad_top() : 0;
  }
  size_t last_row(size_t r1) const {
    const size_t end = (r1 - 1) * stride + kernel - pad_top();
    return end < h ? end : h;
  }
};

/// Output rows [r0, r1) of a convolution. `x` points at input row `x_row` and `y` at output row
/// `r0`, so that both may be bands of an image that never exists as a whole.
struct ConvRows {
  const float* x = nullptr;
  size_t x_row = 0;
  const float* weight = nullptr;  // [kernel * kernel, c] depthwise, [kernel * kernel * c, m] dense
  const float* bias = nullptr;    // [m]
  float* y = nullptr;             // [r1 - r0, ow, m]
  size_t r0 = 0, r1 = 0;
};

/// The direct convolutions of a mobile stem. Every output is bias + a chain of fused multiply-adds
/// in (ky, kx, channel) order, whatever the instruction set and the place in the picture: bit-equal
/// on every ISA. Taps that fall in the padding are skipped, not added as zeros.
struct ConvKernels {
  /// min(max(conv, 0), 6).
  void (*dense_relu6)(const ConvShape&, const ConvRows&) noexcept;
  /// min(max(depthwise conv, 0), 6); kernel 3 or 5.
  void (*depthwise_relu6)(const ConvShape&, const ConvRows&) noexcept;
  /// x[i] = min(max(x[i], 0), 6).
  void (*relu6)(float* x, size_t n) noexcept;
  /// y[i] += x[i].
  void (*add)(float* y, const float* x, size_t n) noexcept;
};

/// The kernels of `isa`; nullptr if this build has none.
const ConvKernels* conv_kernels(quant::Isa isa) noexcept;

const ConvKernels* conv_kernels_scalar() noexcept;
const ConvKernels* conv_kernels_avx2() noexcept;
const ConvKernels* conv_kernels_avx512() noexcept;
const ConvKernels* conv_kernels_neon() noexcept;

}  // namespace sterna::vision
