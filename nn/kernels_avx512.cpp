#if defined(__x86_64__)
#include <sterna/quant/target.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels.h"

STERNA_TARGET("avx512f,avx512bw,avx512vl,avx512dq,fma")

namespace sterna::nn::avx512 {

/// 16 floats in one register; operations as in kernels_scalar.cpp.
struct Lanes {
  __m512 v;

  static __mmask16 first(size_t n) { return static_cast<__mmask16>((1u << n) - 1u); }
  static Lanes zero() { return {_mm512_setzero_ps()}; }
  static Lanes set(float x) { return {_mm512_set1_ps(x)}; }
  static Lanes load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static Lanes load(const float* p, size_t n, float fill) {
    return {_mm512_mask_loadu_ps(_mm512_set1_ps(fill), first(n), p)};
  }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  void store(float* p, size_t n) const { _mm512_mask_storeu_ps(p, first(n), v); }
};

inline Lanes operator+(Lanes x, Lanes y) { return {_mm512_add_ps(x.v, y.v)}; }
inline Lanes operator-(Lanes x, Lanes y) { return {_mm512_sub_ps(x.v, y.v)}; }
inline Lanes operator*(Lanes x, Lanes y) { return {_mm512_mul_ps(x.v, y.v)}; }
inline Lanes operator/(Lanes x, Lanes y) { return {_mm512_div_ps(x.v, y.v)}; }
inline Lanes max(Lanes x, Lanes y) { return {_mm512_max_ps(x.v, y.v)}; }
inline Lanes min(Lanes x, Lanes y) { return {_mm512_min_ps(x.v, y.v)}; }
inline Lanes fma(Lanes x, Lanes y, Lanes z) { return {_mm512_fmadd_ps(x.v, y.v, z.v)}; }
inline Lanes round(Lanes x) {
  return {_mm512_roundscale_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline Lanes abs(Lanes x) { return {_mm512_andnot_ps(_mm512_set1_ps(-0.0f), x.v)}; }
inline Lanes with_sign(Lanes x, Lanes s) {
  const __m512 sign = _mm512_set1_ps(-0.0f);
  return {_mm512_or_ps(_mm512_andnot_ps(sign, x.v), _mm512_and_ps(sign, s.v))};
}
inline Lanes pow2(Lanes n) {
  const __m512i i = _mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(i, 23))};
}
inline Lanes less(Lanes x, Lanes y, Lanes a, Lanes b) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(x.v, y.v, _CMP_LT_OQ), b.v, a.v)};
}

#include "kernels.inl"

}  // namespace sterna::nn::avx512

STERNA_TARGET_END
#endif  // __x86_64__
