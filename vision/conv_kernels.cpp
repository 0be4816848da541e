#include "conv_kernels.h"

#include <cmath>

namespace sterna::vision {
namespace {

struct V {
  static constexpr size_t lanes = 1;
  float v;
  template <bool tail>
  static V load(const float* p, size_t) noexcept {
    return {*p};
  }
  template <bool tail>
  static void store(float* p, V x, size_t) noexcept {
    *p = x.v;
  }
  static V set(float x) noexcept { return {x}; }
  static V fma(V a, V b, V c) noexcept { return {std::fma(a.v, b.v, c.v)}; }
  static V add(V a, V b) noexcept { return {a.v + b.v}; }
  static V clamp6(V x) noexcept {
    const float low = x.v > 0.0F ? x.v : 0.0F;
    return {low < 6.0F ? low : 6.0F};
  }
};

#include "conv_body.inc"

}  // namespace

const ConvKernels* conv_kernels_scalar() noexcept { return &kKernels; }

const ConvKernels* conv_kernels(quant::Isa isa) noexcept {
  switch (vector_isa(isa)) {
    case quant::Isa::scalar:
      return conv_kernels_scalar();
    case quant::Isa::avx2:
      return conv_kernels_avx2();
    case quant::Isa::avx512:
      return conv_kernels_avx512();
    case quant::Isa::neon:
      return conv_kernels_neon();
    default:
      return nullptr;
  }
}

}  // namespace sterna::vision
