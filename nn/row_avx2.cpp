#if defined(__x86_64__)
#include <sterna/quant/target.h>

#include <cmath>

#include "row_kernels.h"

STERNA_TARGET("avx2,fma,f16c")

namespace sterna::nn {
namespace {

struct L {
  __m256 a, b;
  static L zero() noexcept { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static L set(float x) noexcept { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static L set_half(uint16_t h) noexcept {
    const __m256 v = _mm256_cvtph_ps(_mm_set1_epi16(static_cast<short>(h)));
    return {v, v};
  }
  static L load(const float* p) noexcept { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static L load(const uint16_t* p) noexcept {
    const auto* v = reinterpret_cast<const __m128i*>(p);
    return {_mm256_cvtph_ps(_mm_loadu_si128(v)), _mm256_cvtph_ps(_mm_loadu_si128(v + 1))};
  }
  static __m256 wide(__m128i v) noexcept {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(v), 16));
  }
  static L load(const Bf16* p) noexcept {
    const auto* v = reinterpret_cast<const __m128i*>(p);
    return {wide(_mm_loadu_si128(v)), wide(_mm_loadu_si128(v + 1))};
  }
  static L load(const int8_t* p) noexcept {
    return bytes(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static L bytes(__m128i v) noexcept {
    return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(v)),
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(v, 8)))};
  }
  static L low_codes(const uint8_t* p) noexcept {
    return codes(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static L high_codes(const uint8_t* p) noexcept {
    return codes(_mm_srli_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), 4));
  }
  static L codes(__m128i v) noexcept {
    return bytes(_mm_sub_epi8(_mm_and_si128(v, _mm_set1_epi8(15)), _mm_set1_epi8(8)));
  }
  static L mul(L x, L y) noexcept { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
  void store(float* p) const noexcept {
    _mm256_storeu_ps(p, a);
    _mm256_storeu_ps(p + 8, b);
  }
  static L fma(L x, L y, L z) noexcept {
    return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
  }
};

#include "row_body.inc"

}  // namespace
}  // namespace sterna::nn

STERNA_TARGET_END

namespace sterna::nn {
const RowKernels& row_kernels_avx2() noexcept { return kKernels; }
}  // namespace sterna::nn
#endif
