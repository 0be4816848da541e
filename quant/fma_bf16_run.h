#pragma once

// How bf16's tiles are gone through, for the kernels of fma_float.h. Included by avx2_float.h and
// neon_float.h inside their namespaces, behind the bf16_tile_rows() that it calls.

template <int T>
void bf16_all(const FloatCall& c, size_t m0) {
  for (; m0 < c.m1; m0 += kPanelRows)
    for (size_t tile = 0; tile * T < c.n; ++tile) bf16_tile_rows<T>(c, m0, tile);
}

inline void bf16_run(const WeightView& w, const float* bias, const std::byte* scratch, size_t n,
                     size_t m0, size_t m1, float* y, size_t ldy) noexcept {
  const FloatCall call{w, bias, scratch, n, m1, y, ldy};
  switch (n == 0 ? 0 : bf16_tile(n)) {
    case 0:
      return;
    case 1:
      return bf16_all<1>(call, m0);
    case 2:
      return bf16_all<2>(call, m0);
    case 3:
      return bf16_all<3>(call, m0);
    default:
      return bf16_all<4>(call, m0);
  }
}
