#include "conv_kernels.h"

#if defined(__x86_64__)
#include <sterna/quant/target.h>

STERNA_TARGET("avx2,fma")

namespace sterna::vision {
namespace {

inline __m256i first_lanes(size_t n) noexcept {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane);
}

struct V {
  static constexpr size_t lanes = 8;
  __m256 v;
  template <bool tail>
  static V load(const float* p, size_t n) noexcept {
    if constexpr (tail) return {_mm256_maskload_ps(p, first_lanes(n))};
    return {_mm256_loadu_ps(p)};
  }
  template <bool tail>
  static void store(float* p, V x, size_t n) noexcept {
    if constexpr (tail) {
      _mm256_maskstore_ps(p, first_lanes(n), x.v);
    } else {
      _mm256_storeu_ps(p, x.v);
    }
  }
  static V set(float x) noexcept { return {_mm256_set1_ps(x)}; }
  static V fma(V a, V b, V c) noexcept { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
  static V add(V a, V b) noexcept { return {_mm256_add_ps(a.v, b.v)}; }
  static V clamp6(V x) noexcept {
    return {_mm256_min_ps(_mm256_max_ps(x.v, _mm256_setzero_ps()), _mm256_set1_ps(6.0F))};
  }
};

#include "conv_body.inc"

}  // namespace
}  // namespace sterna::vision

STERNA_TARGET_END

namespace sterna::vision {
const ConvKernels* conv_kernels_avx2() noexcept { return &kKernels; }
}  // namespace sterna::vision

#else
namespace sterna::vision {
const ConvKernels* conv_kernels_avx2() noexcept { return nullptr; }
}  // namespace sterna::vision
#endif
