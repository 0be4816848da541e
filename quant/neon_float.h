#pragma once

// bf16 and f32 on NEON, which has fused multiply-add. Included by kernels_neon.cpp alone.

#include "fma_float.h"

namespace sterna::quant::neon {
namespace {

// ---- bf16. BFDOT and BFMMLA are not used: they round sums to odd and flush what is tiny, unlike
// every other kernel of the type.

template <int T>
void bf16_tile_rows(const FloatCall& c, size_t row0, size_t tile) {
  const size_t units = bf16_units(c.w);
  const auto* w = reinterpret_cast<const uint8_t*>(c.w.data.data()) +
                  row0 / kPanelRows * units * kLineBytes;
  const auto* x = reinterpret_cast<const float*>(c.scratch) + tile * T * units * 2;
  float32x4_t acc[4][T];
#pragma GCC unroll 4
  for (int h = 0; h < 4; ++h) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) acc[h][t] = vdupq_n_f32(0);
  }
  for (size_t u = 0; u < units; ++u, x += 2 * T, w += kLineBytes) {
#pragma GCC unroll 4
    for (int h = 0; h < 4; ++h) {
      const uint32x4_t v = vreinterpretq_u32_u8(vld1q_u8(w + h * 16));
      const float32x4_t even = vreinterpretq_f32_u32(vshlq_n_u32(v, 16));
      const float32x4_t odd = vreinterpretq_f32_u32(vandq_u32(v, vdupq_n_u32(0xffff0000u)));
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t)
        acc[h][t] = vfmaq_n_f32(vfmaq_n_f32(acc[h][t], even, x[2 * t]), odd, x[2 * t + 1]);
    }
  }
  const size_t tokens = std::min<size_t>(T, c.n - tile * T);
#pragma GCC unroll 4
  for (size_t h = 0; h < 4; ++h) {
    const size_t row = row0 + h * 4;
    if (row >= c.m1) return;
#pragma GCC unroll 4
    for (size_t t = 0; t < T; ++t) {
      if (t >= tokens) break;
      store_rows(acc[h][t], c.bias == nullptr ? nullptr : c.bias + row, c.m1 - row,
                 c.y + (tile * T + t) * c.ldy + row);
    }
  }
}

#include "fma_bf16_run.h"

// ---- f32. W is row-major, so inputs lie along the register: R rows times T tokens are R * T = 8
// sums of 4 lanes. Scratch: x [n, k] with rows padded by zeros to whole registers. The order of a
// sum does not depend on R and T.

inline size_t f32_tile(size_t) noexcept { return 1; }
inline size_t f32_stride(const WeightView& w) { return (w.k + 3) / 4 * 4; }
inline size_t f32_scratch(const WeightView& w, size_t n) noexcept {
  return n * f32_stride(w) * sizeof(float);
}

inline void f32_prepare(const WeightView& w, const float* x, size_t ldx, size_t, size_t n0,
                        size_t n1, std::byte* scratch) noexcept {
  const size_t stride = f32_stride(w);
  for (size_t t = n0; t < n1; ++t) {
    float* out = reinterpret_cast<float*>(scratch) + t * stride;
    std::memcpy(out, x + t * ldx, w.k * sizeof(float));
    std::memset(out + w.k, 0, (stride - w.k) * sizeof(float));
  }
}

inline float32x4_t load_part(const float* p, size_t count) {
  float part[4] = {};
  std::memcpy(part, p, count * sizeof(float));
  return vld1q_f32(part);
}

// Rows row0 .. (R of them, those beyond m1 repeat the last) by tokens t0 .. (T, likewise).
template <int R, int T>
void f32_tile_rows(const FloatCall& c, size_t row0, size_t t0) {
  const size_t k = c.w.k, stride = f32_stride(c.w);
  const auto* weights = reinterpret_cast<const float*>(c.w.data.data());
  const auto* inputs = reinterpret_cast<const float*>(c.scratch);
  const size_t rows = std::min<size_t>(R, c.m1 - row0), tokens = std::min<size_t>(T, c.n - t0);
  const float *w[R], *x[T];
  for (size_t r = 0; r < R; ++r) w[r] = weights + (row0 + std::min(r, rows - 1)) * k;
  for (size_t t = 0; t < T; ++t) x[t] = inputs + (t0 + std::min(t, tokens - 1)) * stride;
  float32x4_t acc[T][R];
#pragma GCC unroll 8
  for (int i = 0; i < R * T; ++i) acc[i / R][i % R] = vdupq_n_f32(0);
  for (size_t i = 0; i < k; i += 4) {
    float32x4_t v[T];
#pragma GCC unroll 2
    for (int t = 0; t < T; ++t) v[t] = vld1q_f32(x[t] + i);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const float32x4_t row = i + 4 <= k ? vld1q_f32(w[r] + i) : load_part(w[r] + i, k - i);
#pragma GCC unroll 2
      for (int t = 0; t < T; ++t) acc[t][r] = vfmaq_f32(acc[t][r], row, v[t]);
    }
  }
  float out[T][R];
#pragma GCC unroll 8
  for (int i = 0; i < R * T; ++i) out[i / R][i % R] = vaddvq_f32(acc[i / R][i % R]);
  for (size_t t = 0; t < tokens; ++t)
    for (size_t r = 0; r < rows; ++r)
      c.y[(t0 + t) * c.ldy + row0 + r] =
          c.bias == nullptr ? out[t][r] : out[t][r] + c.bias[row0 + r];
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

}  // namespace
}  // namespace sterna::quant::neon
