#pragma once

// Many tokens against weights with one scale a row, on AVX2 and AVX-VNNI. Included by
// kernels_avx2.cpp alone, inside its target region.
//
// As on AVX-512 (avx512_gemm.h): a chunk of k of half a panel is unfolded to bytes once, which stay
// in the first-level cache while a block of token tiles passes by.

namespace sterna::quant::avx2 {

inline constexpr size_t kHalfBytes = 32;    // of a unit of half a panel
inline constexpr size_t kChunkUnits = 160;  // whole blocks of every format
inline constexpr size_t kBlockTiles = 8;

template <class F, int f = 0>
inline void store_unfolded(const typename F::Block& block, uint8_t* out) {
  __m256i codes[1];
  F::template unit<f>(block, codes);
  _mm256_store_si256(reinterpret_cast<__m256i*>(out + f * kHalfBytes), codes[0]);
  if constexpr (f + 1 < F::kUnits) store_unfolded<F, f + 1>(block, out);
}

// The half block at w as its units.
template <class F>
inline void unfold_units(const uint8_t* w, uint8_t* out) {
  if constexpr (is_sparse(F::kType)) {
    using Base = typename F::UnfoldedTo;
    alignas(32) uint8_t unfolded[kSteps * kHalfBytes];
    unfold(typename F::Fields(), typename F::Fields::Block(w), unfolded);
#pragma GCC unroll 8
    for (size_t s = 0; s < kSteps; ++s)
      store_unfolded<Base>(Base::load(unfolded + s * kHalfBytes),
                           out + s * Base::kUnits * kHalfBytes);
  } else {
    store_unfolded<F>(F::load(w), out);
  }
}

// A chunk of H halves; `units` [H] are as far apart as they are long.
template <int H>
struct Chunk {
  alignas(32) uint8_t units[H][kChunkUnits * kHalfBytes];
};

// Adds the products of `count` units with the inputs of T tokens at q to acc [H][T][8]. A function
// of its own, lest GCC 12 spill the sums.
template <class F, int H, int T>
__attribute__((noinline)) void multiply_units(const Chunk<H>& chunk, const typename F::Q* q,
                                              size_t count, int32_t* acc) {
  const uint8_t* w = chunk.units[0];
  while (count != 0) {
    const size_t some = std::min(count, F::kUnitsPerSum);
    Narrow<F, H, T> narrow;
    clear<F, H, T>(narrow);
    for (const uint8_t* const end = w + some * kHalfBytes; w != end; w += kHalfBytes, q += 4 * T) {
      __m256i codes[H][1];
#pragma GCC unroll 2
      for (size_t h = 0; h < H; ++h)
        codes[h][0] = _mm256_load_si256(
            reinterpret_cast<const __m256i*>(w + h * sizeof chunk.units[0]));
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
        const __m256i a = F::inputs(q + 4 * t);
#pragma GCC unroll 2
        for (int h = 0; h < H; ++h) F::multiply(narrow[h][t], codes[h], a);
      }
    }
    widen<F, H, T>(narrow, acc);
    count -= some;
  }
}

// H halves of a panel from row0 on.
template <class F, int H, int T>
void gemm_halves(const IntCall& c, size_t row0, size_t tile0, size_t tile1) {
  constexpr size_t kUnits = F::kUnits, kBytes = block_bytes(F::kType);
  const uint8_t* w = reinterpret_cast<const uint8_t*>(c.w.data.data()) +
                     row0 / kPanelRows * c.panel_bytes + row0 % kPanelRows / 8 * kHalfBytes;
  Chunk<H> chunk;
  alignas(32) int32_t acc[kBlockTiles][H * T * 8];
  for (size_t tile = tile0; tile < tile1; ++tile) start<F, H, T>(c, tile, 0, acc[tile - tile0]);
  for (size_t first = 0; first < c.s.units; first += kChunkUnits) {
    const size_t count = std::min(kChunkUnits, c.s.units - first);
    for (size_t u = 0; u < count; u += kUnits, w += kBytes) {
      prefetch_block<F>(w);
      for (size_t h = 0; h < H; ++h)
        unfold_units<F>(w + h * kHalfBytes, chunk.units[h] + u * kHalfBytes);
    }
    for (size_t tile = tile0; tile < tile1; ++tile) {
      const auto* q =
          reinterpret_cast<const typename F::Q*>(c.scratch + c.s.q_at + tile * c.s.tile_bytes());
      multiply_units<F, H, T>(chunk, q + first * T * 4, count, acc[tile - tile0]);
    }
  }
  for (size_t tile = tile0; tile < tile1; ++tile) {
    __m256 sum[H][T];
    scale_group<H, T>(c, row0, 0, acc[tile - tile0], sum);
    store<H, T>(c, row0, tile, sum);
  }
}

template <class F, int T>
void gemm(const IntCall& c, size_t m0) {
  constexpr int H = F::kHalves;
  for (size_t tile = 0; tile < c.s.tiles; tile += kBlockTiles)
    for (size_t row = m0; row < c.m1; row += 8 * H)
      gemm_halves<F, H, T>(c, row, tile, std::min(tile + kBlockTiles, c.s.tiles));
}

}  // namespace sterna::quant::avx2
