#pragma once

// Many tokens against weights with one scale a row, on AVX-512. Included by kernels_avx512.cpp
// alone, inside its target region.
//
// A chunk of k of R panels is unfolded to bytes once, which stay in the first-level cache (those of
// i8 lie so already) while a block of token tiles passes by; the tiles' sums are put aside between
// chunks. So decoding, which takes the ports that multiply, is shared by kBlockTiles tiles.

namespace sterna::quant::avx512 {

inline constexpr size_t kChunkUnits = 160;  // whole blocks of every format
inline constexpr size_t kBlockTiles = 8;

template <class F, int R>
struct Chunk {
  static constexpr bool kAsItLies = F::kUnits == 1;
  const uint8_t* data;
  size_t apart;
  alignas(64) uint8_t units[kAsItLies ? 1 : R][kAsItLies ? 1 : kChunkUnits * kLineBytes];

  // Units [first, first + count) of the panels at w.
  void load(const typename F::Tables& tables, const uint8_t* w, size_t panel_bytes, size_t first,
            size_t count) {
    constexpr size_t kUnits = F::kUnits, kBytes = block_bytes(F::kType);
    w += first / kUnits * kBytes;
    if constexpr (kAsItLies) {
      data = w;
      apart = panel_bytes;
    } else {
      for (size_t r = 0; r < R; ++r)
        for (size_t i = 0; i < count / kUnits; ++i)
          unfold_units<F>(tables, w + r * panel_bytes + i * kBytes,
                          units[r] + i * kUnits * kLineBytes);
      data = units[0];
      apart = sizeof units[0];
    }
  }
};

// Sums of one token tile and R panels.
template <int R, int T>
struct TileSums {
  alignas(64) int32_t at[R][T][kPanelRows];
};

// Adds the products of `units` lines of R panels with their inputs at q. A function of its own: GCC
// 12 copies and spills the sums where it inlines this loop.
template <int R, int T>
__attribute__((noinline)) void multiply_units(const uint8_t* w, size_t apart, const int32_t* q,
                                              size_t units, TileSums<R, T>& sums) {
  __m512i acc[R][T];
#pragma GCC unroll 4
  for (size_t r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (size_t t = 0; t < T; ++t) acc[r][t] = _mm512_load_si512(sums.at[r][t]);
  }
  for (const uint8_t* const end = w + units * kLineBytes; w != end; w += kLineBytes, q += T) {
    __m512i codes[R];
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) codes[r] = _mm512_loadu_si512(w + r * apart);
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t) {
      const __m512i a = _mm512_set1_epi32(q[t]);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) acc[r][t] = dot(acc[r][t], codes[r], a);
    }
  }
#pragma GCC unroll 4
  for (size_t r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (size_t t = 0; t < T; ++t) _mm512_store_si512(sums.at[r][t], acc[r][t]);
  }
}

template <int R, int T>
void store_tile(const IntCall& c, size_t row0, size_t tile, const TileSums<R, T>& sums) {
  for (size_t r = 0; r < R; ++r) {
    const size_t row = row0 + r * kPanelRows;
    const __m512 s_w = row_scales(c.w.scale.data() + row, 1, c.m1 - row);
    __m512 sum[T];
#pragma GCC unroll 16
    for (size_t t = 0; t < T; ++t)
      sum[t] = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums.at[r][t])), s_w);
    store_panel<T>(c, row, tile, sum);
  }
}

template <class F, int R, int T>
void gemm_panels(const IntCall& c, size_t row0, size_t tile0, size_t tile1) {
  const typename F::Tables tables;
  const auto* w =
      reinterpret_cast<const uint8_t*>(c.w.data.data()) + row0 / kPanelRows * c.panel_bytes;
  Chunk<F, R> chunk;
  TileSums<R, T> sums[kBlockTiles];
  for (size_t first = 0; first < c.s.units; first += kChunkUnits) {
    const size_t count = std::min(kChunkUnits, c.s.units - first);
    chunk.load(tables, w, c.panel_bytes, first, count);
    for (size_t tile = tile0; tile < tile1; ++tile) {
      TileSums<R, T>& sum = sums[tile - tile0];
      if (first == 0) {
        const auto* base = reinterpret_cast<const int32_t*>(c.scratch + c.s.base_at) + tile * T;
        for (size_t r = 0; r < R; ++r)
          for (size_t t = 0; t < T; ++t)
            _mm512_store_si512(sum.at[r][t], _mm512_set1_epi32(base[t]));
      }
      const auto* q =
          reinterpret_cast<const int32_t*>(c.scratch + c.s.q_at + tile * c.s.tile_bytes());
      const bool last = first + count == c.s.units;
      if (last)
        prefetch_outputs<R>(c.y + tile * T * c.ldy + row0, c.ldy,
                            std::min<size_t>(T, c.n - tile * T));
      multiply_units<R, T>(chunk.data, chunk.apart, q + first * T, count, sum);
      if (last) store_tile<R, T>(c, row0, tile, sum);
    }
  }
}

template <class F, int T>
void gemm(const IntCall& c, size_t m0) {
  for (size_t tile = 0; tile < c.s.tiles; tile += kBlockTiles) {
    const size_t end = std::min(tile + kBlockTiles, c.s.tiles);
    size_t row = m0;
    for (; row + kPanelRows < c.m1; row += 2 * kPanelRows) gemm_panels<F, 2, T>(c, row, tile, end);
    if (row < c.m1) gemm_panels<F, 1, T>(c, row, tile, end);
  }
}

}  // namespace sterna::quant::avx512
