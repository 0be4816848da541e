#include "conv_kernels.h"

#if defined(__x86_64__)
#include <sterna/quant/target.h>

STERNA_TARGET("avx512f,avx512bw,avx512vl,avx512dq,fma")

namespace sterna::vision {
namespace {

struct V {
  static constexpr size_t lanes = 16;
  __m512 v;
  static __mmask16 first(size_t n) noexcept { return static_cast<__mmask16>((1U << n) - 1U); }
  template <bool tail>
  static V load(const float* p, size_t n) noexcept {
    if constexpr (tail) return {_mm512_maskz_loadu_ps(first(n), p)};
    return {_mm512_loadu_ps(p)};
  }
  template <bool tail>
  static void store(float* p, V x, size_t n) noexcept {
    if constexpr (tail) {
      _mm512_mask_storeu_ps(p, first(n), x.v);
    } else {
      _mm512_storeu_ps(p, x.v);
    }
  }
  static V set(float x) noexcept { return {_mm512_set1_ps(x)}; }
  static V fma(V a, V b, V c) noexcept { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
  static V add(V a, V b) noexcept { return {_mm512_add_ps(a.v, b.v)}; }
  static V clamp6(V x) noexcept {
    // The zero-masked forms under a full mask: GCC 12 warns that the plain ones read an undefined
    // register (bug 105593), and folds the mask away.
    constexpr __mmask16 all = 0xFFFF;
    const __m512 low = _mm512_maskz_max_ps(all, x.v, _mm512_setzero_ps());
    return {_mm512_maskz_min_ps(all, low, _mm512_set1_ps(6.0F))};
  }
};

#include "conv_body.inc"

}  // namespace
}  // namespace sterna::vision

STERNA_TARGET_END

namespace sterna::vision {
const ConvKernels* conv_kernels_avx512() noexcept { return &kKernels; }
}  // namespace sterna::vision

#else
namespace sterna::vision {
const ConvKernels* conv_kernels_avx512() noexcept { return nullptr; }
}  // namespace sterna::vision
#endif
