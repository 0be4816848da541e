#pragma once

// What the float kernels of instruction sets with a fused multiply-add of floats share (AVX2,
// NEON); AVX-512 multiplies pairs of bfloat16. Each includes it where its own instructions may be
// used, in one file alone.

namespace sterna::quant {
namespace {

struct FloatCall {
  const WeightView& w;
  const float* bias;
  const std::byte* scratch;
  size_t n, m1;
  float* y;
  size_t ldy;
};

// bf16: activations [tiles][units][tile][2] floats that bfloat16 holds, as one unit is 2 inputs of
// 16 rows. A sum runs over the inputs in order whatever the tile.

inline size_t bf16_tile(size_t n) noexcept { return best_tile(n, 3, 4); }
inline size_t bf16_units(const WeightView& w) { return (w.k + 1) / 2; }
inline size_t bf16_scratch(const WeightView& w, size_t n) noexcept {
  const size_t tile = bf16_tile(n);
  return (n + tile - 1) / tile * tile * bf16_units(w) * 2 * sizeof(float);
}

inline void bf16_prepare(const WeightView& w, const float* x, size_t ldx, size_t n, size_t n0,
                         size_t n1, std::byte* scratch) noexcept {
  const size_t tile = bf16_tile(n), units = bf16_units(w);
  for (size_t i = n0 / tile; i * tile < n1; ++i) {
    float* out = reinterpret_cast<float*>(scratch) + i * tile * units * 2;
    for (size_t t = 0; t < tile; ++t) {
      const size_t token = i * tile + t;
      for (size_t c = 0; c < units * 2; ++c) {
        const float v = token < n && c < w.k ? x[token * ldx + c] : 0.0f;
        out[(c / 2 * tile + t) * 2 + c % 2] = bf16_to_f32(f32_to_bf16(v));
      }
    }
  }
}

}  // namespace
}  // namespace sterna::quant
