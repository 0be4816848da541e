#pragma once

#include <sterna/nn/head_limit.h>
#include <sterna/quant/isa.h>

#include <cstddef>
#include <cstdint>

namespace sterna::nn {

/// Which keys a query sees: those at positions [p - back, p + ahead] of its own p that aren't
/// hidden.
struct KeyMask {
  const uint32_t* queries;  // the position of each query
  const uint32_t* keys;     // and of each key
  const uint8_t* hidden;    // a flag a key, or null
  uint32_t back, ahead;
};

/// The float kernels of this module, compiled once per instruction set from one body (kernels.inl)
/// over 16 virtual lanes: lane sums, fused multiply-adds and the final tree of 16 happen in the
/// same order everywhere, so every table gives the same bits. Rows are contiguous; `x` may be `y`.
struct Kernels {
  /// y = (x - mean) / sqrt(variance + eps) * gain + bias over n elements; bias may be null.
  void (*layer_norm)(const float* x, const float* gain, const float* bias, float eps, size_t n,
                     float* y) noexcept;
  /// y = x / sqrt(mean(x^2) + eps) * gain.
  void (*rms_norm)(const float* x, const float* gain, float eps, size_t n, float* y) noexcept;
  void (*softmax)(const float* x, size_t n, float* y) noexcept;
  /// A step of a softmax with a running maximum (Milakov & Gimelshein, arXiv 1805.02867, algorithm
  /// 3): *top = max(*top, scale x), y = e^(scale x - *top); gives the sum of y. scale > 0.
  float (*weigh)(const float* x, size_t n, float scale, float* top, float* y) noexcept;
  void (*gelu)(const float* x, size_t n, float* y) noexcept;
  void (*gelu_tanh)(const float* x, size_t n, float* y) noexcept;
  void (*quick_gelu)(const float* x, size_t n, float* y) noexcept;
  void (*silu)(const float* x, size_t n, float* y) noexcept;
  void (*relu)(const float* x, size_t n, float* y) noexcept;
  void (*relu_squared)(const float* x, size_t n, float* y) noexcept;
  void (*add)(const float* x, size_t n, float* y) noexcept;       // y += x
  void (*multiply)(const float* x, size_t n, float* y) noexcept;  // y *= x
  /// y = x - what int8 by absmax keeps of it (quant/activations.h); x finite.
  void (*int8_remainder)(const float* x, size_t n, float* y) noexcept;
  /// max x^2 / mean x^2 (crest factor squared), 0 of zeros; x finite. From 1 up to n.
  float (*peak_power)(const float* x, size_t n) noexcept;
  void (*exp)(const float* x, size_t n, float* y) noexcept;
  void (*erf)(const float* x, size_t n, float* y) noexcept;

  /// kt[c / 16][j][c % 16] = k[c][j] for keys c < keys, zeros up to a multiple of 16; j < dim.
  void (*pack_keys)(const float* k, size_t ldk, size_t keys, size_t dim, float* kt) noexcept;
  /// vp[c][j] = v[c][j], zeros for c up to a multiple of 16 and j up to a multiple of 16.
  void (*pack_values)(const float* v, size_t ldv, size_t keys, size_t dim, float* vp) noexcept;
  /// out[i] = softmax(scale * q[i] kt) vp for `rows` queries; dim <= kMostHead. `mask` may be
  /// null; a query that sees no key gives zeros.
  void (*attend)(const float* q, size_t ldq, size_t rows, const float* kt, const float* vp,
                 size_t keys, size_t dim, float scale, const KeyMask* mask, float* out,
                 size_t ldo) noexcept;
};

/// The table for `isa`, which the CPU must have (quant::has_isa).
const Kernels& kernels(quant::Isa isa) noexcept;

namespace scalar {
extern const Kernels kKernels;
}
namespace avx2 {
extern const Kernels kKernels;
}
namespace avx512 {
extern const Kernels kKernels;
}
namespace neon {
extern const Kernels kKernels;
}

}  // namespace sterna::nn
