#pragma once

// i8, t2, t5, t34 and t14 on AVX2, and on AVX-VNNI with other multiplications. Included by
// kernels_avx2.cpp alone, inside its target region.
//
// A tile is H halves of a panel (8 rows each) by T tokens. Ternary codes (unsigned bytes) multiply
// int8 inputs with `maddubs`, whose int16 sums saturate: a unit adds at most 2 * 3 * 127 = 762 to a
// lane (code 3 is possible in a broken file), so they are widened to int32 every kFlush = 40 units,
// at 30,480 < 32,767. i8 codes reach 255 and need int16 inputs: `madd` sums pairs in int32.

namespace sterna::quant::avx2 {

inline constexpr size_t kFlush = 40;

// acc += products. Assembly, because GCC 12 reorders such sums of intrinsics into trees that spill.
inline __m256i add_maddubs(__m256i acc, __m256i codes, __m256i q) {
  __m256i pairs;
  asm("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0" : "+x"(acc), "=&x"(pairs) : "x"(codes), "x"(q));
  return acc;
}
inline __m256i add_madd(__m256i acc, __m256i codes, __m256i q) {
  __m256i pairs;
  asm("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(acc), "=&x"(pairs) : "x"(codes), "x"(q));
  return acc;
}

// What ternary types share: sums of pairs in 16 int16 lanes, two a row.
struct Ternary {
  using Q = int8_t;
  static constexpr size_t kUnitsPerSum = kFlush;
  // Tokens of a tile, of several and of the only one.
  static constexpr size_t kLeastTile = 6, kMostTile = 8, kMostAlone = 8;
  static constexpr int kHalves = 1;   // of a panel that many tokens multiply at once
  static constexpr int kVectors = 1;  // accumulators a half
  static __m256i inputs(const Q* q) {
    int32_t unit;
    std::memcpy(&unit, q, 4);
    return _mm256_set1_epi32(unit);
  }
  static void multiply(__m256i (&acc)[1], const __m256i (&codes)[1], __m256i a) {
    acc[0] = add_maddubs(acc[0], codes[0], a);
  }
  static __m256i widen(const __m256i (&acc)[1]) {
    return _mm256_madd_epi16(acc[0], _mm256_set1_epi16(1));
  }
};

struct T2 : Ternary {
  static constexpr Type kType = Type::t2;
  static constexpr int kUnits = 4;
  struct Block {
    __m256i bytes;
  };
  static Block load(const uint8_t* p) { return {load_bytes(p)}; }
  template <int f>
  static void unit(const Block& b, __m256i (&codes)[1]) {
    const __m256i v = f == 0 ? b.bytes : _mm256_srli_epi16(b.bytes, 2 * f);
    codes[0] = _mm256_and_si256(v, byte_set(3));
  }
};

// min(b, b - v) keeps b where b < v, because the difference wraps to something larger.
inline __m256i take_off(__m256i b, int value) {
  const __m256i v = byte_set(value);
  b = _mm256_min_epu8(b, _mm256_sub_epi8(b, v));
  return _mm256_min_epu8(b, _mm256_sub_epi8(b, v));
}

// b mod 81, mod 27, mod 9; what each step took off tells a code: the low two bits of 0, 81, 162 and
// of 0, 9, 18 are 0, 1, 2; the low four of 0, 27, 54 are 0, 11, 6. The rest, 0 .. 8, is looked up.
struct T5 : Ternary {
  static constexpr Type kType = Type::t5;
  static constexpr int kUnits = 5;
  struct Block {
    __m256i code[5];
  };
  static Block load(const uint8_t* p) {
    const __m256i c0 =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0));
    const __m256i c1 =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0));
    const __m256i c3 =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0));
    const __m256i b = _mm256_min_epu8(load_bytes(p), byte_set(242)), three = byte_set(3);
    const __m256i b81 = take_off(b, 81), b27 = take_off(b81, 27), b9 = take_off(b27, 9);
    return {{_mm256_shuffle_epi8(c0, b9), _mm256_shuffle_epi8(c1, b9),
             _mm256_and_si256(_mm256_sub_epi8(b27, b9), three),
             _mm256_shuffle_epi8(c3, _mm256_sub_epi8(b81, b27)),
             _mm256_and_si256(_mm256_sub_epi8(b, b81), three)}};
  }
  template <int f>
  static void unit(const Block& b, __m256i (&codes)[1]) {
    codes[0] = b.code[f];
  }
};

// Codes as int16: rows 0-3 and rows 4-7 of a half, four inputs a row, so two int32 sums a row.
struct I8 {
  static constexpr Type kType = Type::i8;
  static constexpr int kUnits = 1, kVectors = 2;
  static constexpr size_t kUnitsPerSum = kFlush;
  using Q = int16_t;
  static constexpr size_t kLeastTile = 3, kMostTile = 4, kMostAlone = 4;
  static constexpr int kHalves = 1;
  struct Block {
    __m256i code[2];
  };
  static Block load(const uint8_t* p) {
    const auto* v = reinterpret_cast<const __m128i*>(p);
    return {
        {_mm256_cvtepu8_epi16(_mm_loadu_si128(v)), _mm256_cvtepu8_epi16(_mm_loadu_si128(v + 1))}};
  }
  template <int f>
  static void unit(const Block& b, __m256i (&codes)[2]) {
    codes[0] = b.code[0];
    codes[1] = b.code[1];
  }
  static __m256i inputs(const Q* q) {
    int64_t unit;
    std::memcpy(&unit, q, 8);
    return _mm256_set1_epi64x(unit);
  }
  static void multiply(__m256i (&acc)[2], const __m256i (&codes)[2], __m256i a) {
    acc[0] = add_madd(acc[0], codes[0], a);
    acc[1] = add_madd(acc[1], codes[1], a);
  }
  static __m256i widen(const __m256i (&acc)[2]) {
    const __m256i pairs = _mm256_hadd_epi32(acc[0], acc[1]);  // rows 0 1 4 5 | 2 3 6 7
    return _mm256_permute4x64_epi64(pairs, 0xd8);
  }
};

// t34 and t14: a block is unfolded to blocks of t2 in the first-level cache.
template <class SparseFields, class Base>
struct Sparse : Base {
  static constexpr Type kType = SparseFields::kType;
  static constexpr int kUnits = 32;
  using Fields = SparseFields;
  using UnfoldedTo = Base;
};
using T34 = Sparse<T34Fields, T2>;
using T14 = Sparse<T14Fields, T2>;

using IntCall = TileCall<IntScratch>;

template <class F, int H, int T>
using Narrow = __m256i[H][T][F::kVectors];

template <class F, int H, int T>
inline void clear(Narrow<F, H, T>& narrow) {
#pragma GCC unroll 2
  for (int h = 0; h < H; ++h) {
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
#pragma GCC unroll 2
      for (int v = 0; v < F::kVectors; ++v) narrow[h][t][v] = _mm256_setzero_si256();
    }
  }
}

// acc [H][T][8] += narrow. `acc` is memory: registers are for what every unit touches.
template <class F, int H, int T>
inline void widen(const Narrow<F, H, T>& narrow, int32_t* acc) {
#pragma GCC unroll 2
  for (int h = 0; h < H; ++h) {
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      auto* p = reinterpret_cast<__m256i*>(acc + (h * T + t) * 8);
      _mm256_store_si256(p, _mm256_add_epi32(_mm256_load_si256(p), F::widen(narrow[h][t])));
    }
  }
}

template <class F, int H, int T>
inline void start(const IntCall& c, size_t tile, size_t group, int32_t* acc) {
  const auto* base =
      reinterpret_cast<const int32_t*>(c.scratch + c.s.base_at) + (tile * c.s.groups + group) * T;
  for (int i = 0; i < H * T; ++i)
    _mm256_store_si256(reinterpret_cast<__m256i*>(acc + i * 8), _mm256_set1_epi32(base[i % T]));
}

template <class F, int H, int T, int f>
inline void multiply_unit(const typename F::Block (&block)[H], const typename F::Q* q,
                          Narrow<F, H, T>& narrow) {
  __m256i codes[H][F::kVectors];
#pragma GCC unroll 2
  for (int h = 0; h < H; ++h) F::template unit<f>(block[h], codes[h]);
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    const __m256i a = F::inputs(q + (f * T + t) * 4);
#pragma GCC unroll 2
    for (int h = 0; h < H; ++h) F::multiply(narrow[h][t], codes[h], a);
  }
}

template <class F, int H, int T, int f = 0>
inline void multiply_block(const typename F::Block (&block)[H], const typename F::Q* q,
                           Narrow<F, H, T>& narrow) {
  multiply_unit<F, H, T, f>(block, q, narrow);
  if constexpr (f + 1 < F::kUnits) multiply_block<F, H, T, f + 1>(block, q, narrow);
}

// Asks for the block that is kPrefetch bytes ahead. Panels lie one after the other, so that is the
// next one's where this one ends. Decoding fills the window in which a CPU looks for loads itself,
// so that without this t5 waits for memory most of the time.
inline constexpr size_t kPrefetch = 4096;
template <class F>
inline void prefetch_block(const uint8_t* w) {
  for (size_t line = 0; line < block_bytes(F::kType); line += kLineBytes)
    _mm_prefetch(reinterpret_cast<const char*>(w) + kPrefetch + line, _MM_HINT_T0);
}

// One block of H halves at w by the T inputs of its units.
template <class F, int H, int T>
inline void multiply_weights(const uint8_t* w, const typename F::Q* q, Narrow<F, H, T>& narrow) {
  prefetch_block<F>(w);
  if constexpr (is_sparse(F::kType)) {
    using Base = typename F::UnfoldedTo;
    const typename F::Fields fields;
    alignas(32) uint8_t unfolded[H][kSteps * 32];
#pragma GCC unroll 2
    for (int h = 0; h < H; ++h) unfold(fields, typename F::Fields::Block(w + h * 32), unfolded[h]);
    for (size_t s = 0; s < kSteps; ++s, q += Base::kUnits * T * 4) {
      typename Base::Block block[H];
#pragma GCC unroll 2
      for (int h = 0; h < H; ++h) block[h] = Base::load(unfolded[h] + s * 32);
      multiply_block<Base, H, T>(block, q, narrow);
    }
  } else {
    typename F::Block block[H];
#pragma GCC unroll 2
    for (int h = 0; h < H; ++h) block[h] = F::load(w + h * 32);
    multiply_block<F, H, T>(block, q, narrow);
  }
}

// sum [H][T] = or += acc * s_g: fp16 scales of group g, zero for rows beyond the matrix.
template <int H, int T>
inline void scale_group(const IntCall& c, size_t row0, size_t g, const int32_t* acc,
                        __m256 (&sum)[H][T]) {
  for (size_t h = 0; h < H; ++h) {
    const size_t first = row0 + h * 8;
    const size_t rows = first < c.m1 ? std::min<size_t>(8, c.m1 - first) : 0;
    alignas(16) uint16_t s[8] = {};
    for (size_t i = 0; i < rows; ++i) s[i] = c.w.scale[(first + i) * c.s.groups + g];
    const __m256 s_w = _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(s)));
    for (size_t t = 0; t < T; ++t) {
      const auto* p = reinterpret_cast<const __m256i*>(acc + (h * T + t) * 8);
      const __m256 part = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_load_si256(p)), s_w);
      sum[h][t] = g == 0 ? part : _mm256_add_ps(sum[h][t], part);
    }
  }
}

// y = sum * s_a (+ bias) for the rows and tokens there are.
template <int H, int T>
inline void store(const IntCall& c, size_t row0, size_t tile, const __m256 (&sum)[H][T]) {
  const float* s_a = reinterpret_cast<const float*>(c.scratch) + tile * T;
  const size_t tokens = std::min<size_t>(T, c.n - tile * T);
  for (size_t h = 0; h < H && row0 + h * 8 < c.m1; ++h) {
    const size_t row = row0 + h * 8;
    const __m256i rows = tail_mask(c.m1 - row);
    for (size_t t = 0; t < tokens; ++t) {
      __m256 v = _mm256_mul_ps(sum[h][t], _mm256_set1_ps(s_a[t]));
      if (c.bias != nullptr) v = _mm256_add_ps(v, _mm256_maskload_ps(c.bias + row, rows));
      _mm256_maskstore_ps(c.y + (tile * T + t) * c.ldy + row, rows, v);
    }
  }
}

template <class F, int H, int T>
void int_tile_rows(const IntCall& c, const uint8_t* panel, size_t row0, size_t tile) {
  constexpr size_t kBytes = block_bytes(F::kType);
  constexpr size_t kStep = F::kUnitsPerSum / F::kUnits * kBytes;  // of a panel between widenings
  const auto* q =
      reinterpret_cast<const typename F::Q*>(c.scratch + c.s.q_at + tile * c.s.tile_bytes());
  __m256 sum[H][T];
  for (size_t g = 0; g < c.s.groups; ++g) {
    const GroupSpan span = c.s.span(g);
    const uint8_t* w = panel + span.block * kBytes;
    alignas(32) int32_t acc[H * T * 8];
    start<F, H, T>(c, tile, g, acc);
    for (const uint8_t* const end = w + span.blocks * kBytes; w < end;) {
      Narrow<F, H, T> narrow;
      clear<F, H, T>(narrow);
      for (const uint8_t* const stop = std::min(end, w + kStep); w < stop; w += kBytes) {
        multiply_weights<F, H, T>(w, q, narrow);
        q += F::kUnits * T * 4;
      }
      widen<F, H, T>(narrow, acc);
    }
    scale_group<H, T>(c, row0, g, acc, sum);
  }
  store<H, T>(c, row0, tile, sum);
}

template <class F, int T>
void gemm(const IntCall& c, size_t m0);  // avx2_gemm.h

// Small tiles take both halves of a panel at once, large ones fill the registers with tokens.
template <class F, int T>
void int_all(const IntCall& c, size_t m0) {
  constexpr bool kOfSeveral = T >= F::kLeastTile && T <= F::kMostTile;
  if constexpr (F::kVectors == 1 && F::kUnits > 1 && kOfSeveral) {
    if (c.w.group == 0 && c.s.tiles > 1) return gemm<F, T>(c, m0);
  }
  constexpr int kBoth = T * F::kVectors <= 4 || (kOfSeveral && F::kHalves == 2) ? 2 : 1;
  for (; m0 < c.m1; m0 += kPanelRows)
    for (size_t half = 0; half < 2 && m0 + half * 8 < c.m1; half += kBoth)
      for (size_t tile = 0; tile < c.s.tiles; ++tile) {
        const uint8_t* w = reinterpret_cast<const uint8_t*>(c.w.data.data()) +
                           m0 / kPanelRows * c.panel_bytes + half * 32;
        int_tile_rows<F, kBoth, T>(c, w, m0 + half * 8, tile);
      }
}

template <class F>
void int_run(const WeightView& w, const float* bias, const std::byte* scratch, size_t n, size_t m0,
             size_t m1, float* y, size_t ldy) noexcept {
  const IntScratch s(w, n, int_tile<F>(n), sizeof(typename F::Q));
  const IntCall call{w, s, bias, scratch, n, m1, y, ldy, weight_bytes(F::kType, kPanelRows, w.k)};
  switch (n == 0 ? 0 : s.tile) {
    case 0:
      return;
    case 1:
      return int_all<F, 1>(call, m0);
    case 2:
      return int_all<F, 2>(call, m0);
    case 3:
      return int_all<F, 3>(call, m0);
    case 4:
      return int_all<F, 4>(call, m0);
    default:
      break;
  }
  if constexpr (F::kMostAlone == 8) {
    switch (s.tile) {
      case 5:
        return int_all<F, 5>(call, m0);
      case 6:
        return int_all<F, 6>(call, m0);
      case 7:
        return int_all<F, 7>(call, m0);
      default:
        return int_all<F, 8>(call, m0);
    }
  }
}

}  // namespace sterna::quant::avx2
