#if defined(__x86_64__)
#include <sterna/quant/target.h>

#include <cmath>

#include "row_kernels.h"

STERNA_TARGET("avx512f,avx512bw,avx512vl,avx512dq,fma")

namespace sterna::nn {
namespace {

// Conversions take the zero-masked form under a full mask: GCC 12 warns that the plain ones read an
// undefined register (bug 105593), and folds the mask away.
struct L {
  __m512 v;
  static L zero() noexcept { return {_mm512_setzero_ps()}; }
  static L set(float x) noexcept { return {_mm512_set1_ps(x)}; }
  static L set_half(uint16_t h) noexcept {
    return {_mm512_maskz_cvtph_ps(0xFFFF, _mm256_set1_epi16(static_cast<short>(h)))};
  }
  static L load(const float* p) noexcept { return {_mm512_loadu_ps(p)}; }
  static L load(const uint16_t* p) noexcept {
    return {_mm512_maskz_cvtph_ps(0xFFFF, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static L load(const Bf16* p) noexcept {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m512i wide = _mm512_maskz_cvtepu16_epi32(0xFFFF, v);
    return {_mm512_castsi512_ps(_mm512_maskz_slli_epi32(0xFFFF, wide, 16))};
  }
  static L load(const int8_t* p) noexcept {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {_mm512_maskz_cvtepi32_ps(0xFFFF, _mm512_maskz_cvtepi8_epi32(0xFFFF, bytes))};
  }
  static L low_codes(const uint8_t* p) noexcept {
    return codes(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static L high_codes(const uint8_t* p) noexcept {
    return codes(_mm_srli_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), 4));
  }
  static L codes(__m128i bytes) noexcept {
    const __m128i code = _mm_sub_epi8(_mm_and_si128(bytes, _mm_set1_epi8(15)), _mm_set1_epi8(8));
    return {_mm512_maskz_cvtepi32_ps(0xFFFF, _mm512_maskz_cvtepi8_epi32(0xFFFF, code))};
  }
  static L mul(L x, L y) noexcept { return {_mm512_mul_ps(x.v, y.v)}; }
  void store(float* p) const noexcept { _mm512_storeu_ps(p, v); }
  static L fma(L x, L y, L z) noexcept { return {_mm512_fmadd_ps(x.v, y.v, z.v)}; }
};

#include "row_body.inc"

}  // namespace
}  // namespace sterna::nn

STERNA_TARGET_END

namespace sterna::nn {
const RowKernels& row_kernels_avx512() noexcept { return kKernels; }
}  // namespace sterna::nn
#endif
