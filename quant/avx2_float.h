#pragma once

// bf16 and f32 on AVX2 and FMA. Included by kernels_avx2.cpp alone, inside its target region.

#include "fma_float.h"

namespace sterna::quant::avx2 {

// ---- bf16.

template <int T>
void bf16_tile_rows(const FloatCall& c, size_t row0, size_t tile) {
  const size_t units = bf16_units(c.w);
  const auto* w =
      reinterpret_cast<const __m256i*>(c.w.data.data() + row0 / kPanelRows * units * kLineBytes);
  const auto* x = reinterpret_cast<const float*>(c.scratch) + tile * T * units * 2;
  const __m256i upper = _mm256_set1_epi32(-65536);
  __m256 acc[2][T];
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) acc[0][t] = acc[1][t] = _mm256_setzero_ps();
  for (size_t u = 0; u < units; ++u, x += 2 * T) {
    __m256 even[2], odd[2];
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      const __m256i v = _mm256_loadu_si256(w++);
      even[h] = _mm256_castsi256_ps(_mm256_slli_epi32(v, 16));
      odd[h] = _mm256_castsi256_ps(_mm256_and_si256(v, upper));
    }
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t) {
      const __m256 x0 = _mm256_set1_ps(x[2 * t]), x1 = _mm256_set1_ps(x[2 * t + 1]);
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h)
        acc[h][t] = _mm256_fmadd_ps(odd[h], x1, _mm256_fmadd_ps(even[h], x0, acc[h][t]));
    }
  }
  const size_t tokens = std::min<size_t>(T, c.n - tile * T);
#pragma GCC unroll 2
  for (size_t h = 0; h < 2; ++h) {
    const size_t row = row0 + h * 8;
    if (row >= c.m1) return;
    const __m256i rows = tail_mask(c.m1 - row);
#pragma GCC unroll 16
    for (size_t t = 0; t < T; ++t) {
      if (t >= tokens) break;
      __m256 v = acc[h][t];
      if (c.bias != nullptr) v = _mm256_add_ps(v, _mm256_maskload_ps(c.bias + row, rows));
      _mm256_maskstore_ps(c.y + (tile * T + t) * c.ldy + row, rows, v);
    }
  }
}

#include "fma_bf16_run.h"

// ---- f32. W is row-major, so inputs lie along the register: R rows times T tokens are R * T = 8
// sums of 8 lanes, added up at the end all together. Scratch: x [n, k] with rows padded by zeros to
// whole registers. The order of a sum does not depend on R and T.

inline size_t f32_tile(size_t) noexcept { return 1; }
inline size_t f32_stride(const WeightView& w) { return (w.k + 7) / 8 * 8; }
inline size_t f32_scratch(const WeightView& w, size_t n) noexcept {
  return n * f32_stride(w) * sizeof(float);
}

inline void f32_prepare(const WeightView& w, const float* x, size_t ldx, size_t, size_t n0,
                        size_t n1, std::byte* scratch) noexcept {
  const size_t stride = f32_stride(w);
  for (size_t t = n0; t < n1; ++t) {
    float* out = reinterpret_cast<float*>(scratch) + t * stride;
    for (size_t c = 0; c < stride; c += 8)
      _mm256_storeu_ps(out + c, _mm256_maskload_ps(x + t * ldx + c, tail_mask(w.k - c)));
  }
}

// Lane i of the result = sum of the lanes of v[i].
inline __m256 sum_lanes(const __m256 (&v)[8]) {
  const __m256 a = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
  const __m256 b = _mm256_hadd_ps(_mm256_hadd_ps(v[4], v[5]), _mm256_hadd_ps(v[6], v[7]));
  return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}

// Rows row0 .. (R of them, those beyond m1 repeat the last) by tokens t0 .. (T, likewise).
template <int R, int T>
void f32_tile_rows(const FloatCall& c, size_t row0, size_t t0) {
  static_assert(R * T == 8);
  const size_t k = c.w.k, stride = f32_stride(c.w);
  const auto* weights = reinterpret_cast<const float*>(c.w.data.data());
  const auto* inputs = reinterpret_cast<const float*>(c.scratch);
  const size_t rows = std::min<size_t>(R, c.m1 - row0), tokens = std::min<size_t>(T, c.n - t0);
  const float *w[R], *x[T];
  for (size_t r = 0; r < R; ++r) w[r] = weights + (row0 + std::min(r, rows - 1)) * k;
  for (size_t t = 0; t < T; ++t) x[t] = inputs + (t0 + std::min(t, tokens - 1)) * stride;
  __m256 acc[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) acc[i] = _mm256_setzero_ps();
  for (size_t i = 0; i < k; i += 8) {
    const bool whole = i + 8 <= k;
    const __m256i mask = tail_mask(k - i);
    __m256 v[T];
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) v[t] = _mm256_loadu_ps(x[t] + i);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const __m256 row = whole ? _mm256_loadu_ps(w[r] + i) : _mm256_maskload_ps(w[r] + i, mask);
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) acc[t * R + r] = _mm256_fmadd_ps(row, v[t], acc[t * R + r]);
    }
  }
  alignas(32) float out[8];
  _mm256_store_ps(out, sum_lanes(acc));
  for (size_t t = 0; t < tokens; ++t)
    for (size_t r = 0; r < rows; ++r)
      c.y[(t0 + t) * c.ldy + row0 + r] =
          c.bias == nullptr ? out[t * R + r] : out[t * R + r] + c.bias[row0 + r];
}

template <int R, int T>
void f32_all(const FloatCall& c, size_t m0) {
  for (; m0 < c.m1; m0 += R)
    for (size_t t = 0; t < c.n; t += T) f32_tile_rows<R, T>(c, m0, t);
}

inline void f32_run(const WeightView& w, const float* bias, const std::byte* scratch, size_t n,
                    size_t m0, size_t m1, float* y, size_t ldy) noexcept {
  const FloatCall call{w, bias, scratch, n, m1, y, ldy};
  if (n == 1) return f32_all<8, 1>(call, m0);
  f32_all<4, 2>(call, m0);
}

}  // namespace sterna::quant::avx2
