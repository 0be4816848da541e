#include "conv_kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>

namespace sterna::vision {
namespace {

// NEON is part of every aarch64 CPU: no target region. It has no masked access, so tails go through
// a small array.
struct V {
  static constexpr size_t lanes = 4;
  float32x4_t v;
  template <bool tail>
  static V load(const float* p, size_t n) noexcept {
    if constexpr (tail) {
      float part[4] = {0, 0, 0, 0};
      for (size_t i = 0; i < n; ++i) part[i] = p[i];
      return {vld1q_f32(part)};
    }
    return {vld1q_f32(p)};
  }
  template <bool tail>
  static void store(float* p, V x, size_t n) noexcept {
    if constexpr (tail) {
      float part[4];
      vst1q_f32(part, x.v);
      for (size_t i = 0; i < n; ++i) p[i] = part[i];
    } else {
      vst1q_f32(p, x.v);
    }
  }
  static V set(float x) noexcept { return {vdupq_n_f32(x)}; }
  static V fma(V a, V b, V c) noexcept { return {vfmaq_f32(c.v, a.v, b.v)}; }
  static V add(V a, V b) noexcept { return {vaddq_f32(a.v, b.v)}; }
  static V clamp6(V x) noexcept {
    // The "number" forms return the other operand for NaN, like the x86 and scalar twins.
    return {vminnmq_f32(vmaxnmq_f32(x.v, vdupq_n_f32(0.0F)), vdupq_n_f32(6.0F))};
  }
};

#include "conv_body.inc"

}  // namespace
}  // namespace sterna::vision

namespace sterna::vision {
const ConvKernels* conv_kernels_neon() noexcept { return &kKernels; }
}  // namespace sterna::vision

#else
namespace sterna::vision {
const ConvKernels* conv_kernels_neon() noexcept { return nullptr; }
}  // namespace sterna::vision
#endif
