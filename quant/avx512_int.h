#pragma once

// i8, t2, t5, t34 and t14 on AVX-512 VNNI. Included by kernels_avx512.cpp and kernels_amx.cpp,
// inside their target regions.
//
// A tile is R panels (16 R rows) by T tokens, one 512-bit accumulator a panel and token, held in
// registers over all of k (or a group). Each block of weights is decoded in registers into units
// (4 inputs of 16 rows, unsigned codes), each unit multiplies the same 4 inputs of T tokens.
// `vpdpbusd` does not saturate; a sum starts at base (int_scratch.h) and may wrap on the way, which
// is harmless modulo 2^32: the result |sum w q| <= 128 * 127 * kMaxInputs fits (formats.h).

namespace sterna::quant::avx512 {

// acc + codes (unsigned bytes) . q (signed bytes). Assembly, because GCC 12 copies and spills the
// accumulators of a loop of _mm512_dpbusd_epi32.
inline __m512i dot(__m512i acc, __m512i codes, __m512i q) {
  asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(codes), "v"(q));
  return acc;
}

struct I8 {
  static constexpr Type kType = Type::i8;
  static constexpr int kUnits = 1;
  struct Block {
    __m512i bytes;
  };
  struct Tables {};
  static Block load(const Tables&, const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
  template <int f>
  static __m512i unit(const Block& b) {
    return b.bytes;
  }
  static constexpr int kShift[] = {0};
  template <int f>
  static __m512i scaled_unit(const Block& b) {
    return b.bytes;
  }
};

struct T2 {
  static constexpr Type kType = Type::t2;
  static constexpr int kUnits = 4;
  struct Block {
    __m512i bytes;
  };
  struct Tables {};
  static Block load(const Tables&, const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
  template <int f>
  static __m512i unit(const Block& b) {
    const __m512i v = f == 0 ? b.bytes : _mm512_srli_epi16(b.bytes, 2 * f);
    return _mm512_and_si512(v, byte_set(3));
  }
  static constexpr int kShift[] = {0, 2, 4, 6};
  template <int f>
  static __m512i scaled_unit(const Block& b) {
    return _mm512_and_si512(b.bytes, byte_set(3 << 2 * f));
  }
};

// Both ways to read t5 take off 81 at most twice: min(b, b - 81, b - 162) keeps b where b < 81,
// because the differences wrap to something larger, and so on. What was taken off is 0, 81 or 162,
// and its low two bits are 0, 1, 2: the fifth code.
inline __m512i take_off(__m512i b, int value) {
  const __m512i once = _mm512_sub_epi8(b, byte_set(value));
  return _mm512_min_epu8(_mm512_min_epu8(b, once), _mm512_sub_epi8(b, byte_set(2 * value)));
}

// The other four by one look-up of b mod 81 in a table of four 2-bit fields (VBMI).
struct T5Vbmi {
  static constexpr Type kType = Type::t5;
  static constexpr int kUnits = 5;
  struct Block {
    __m512i fields, fifth;
  };
  struct Tables {
    __m512i low, high;
    Tables() {
      static constexpr auto table = [] {
        std::array<uint8_t, 128> t{};
        for (size_t i = 0; i < 128; ++i) {  // bytes above 242 leave 81 .. 93 and read as 80 does
          const auto b = static_cast<uint8_t>(i < 81 ? i : 80);
          for (size_t f = 0; f < 4; ++f) t[i] = static_cast<uint8_t>(t[i] | t5_code(b, f) << 2 * f);
        }
        return t;
      }();
      low = _mm512_loadu_si512(table.data());
      high = _mm512_loadu_si512(table.data() + 64);
    }
  };
  static Block load(const Tables& t, const uint8_t* p) {
    const __m512i b = _mm512_loadu_si512(p);
    const __m512i rest = take_off(b, 81);
    __m512i fields = rest;
    asm("vpermi2b %2, %1, %0" : "+v"(fields) : "v"(t.low), "v"(t.high));
    return {fields, _mm512_sub_epi8(b, rest)};
  }
  template <int f>
  static __m512i unit(const Block& b) {
    const __m512i v = f == 4   ? b.fifth
                      : f == 0 ? b.fields
                               : _mm512_srli_epi16(b.fields, 2 * (f & 3));
    return _mm512_and_si512(v, byte_set(3));
  }
  static constexpr int kShift[] = {0, 2, 4, 6, 0};
  static constexpr int32_t kInverse[] = {1, 1, 1, 1, 2014922929};  // of 81 modulo 2^32
  template <int f>
  static __m512i scaled_unit(const Block& b) {
    return f == 4 ? b.fifth : _mm512_and_si512(b.fields, byte_set(3 << 2 * (f & 3)));
  }
};

// Without VBMI: take off 27 and 9 the same way, then 16-entry look-ups.
struct T5Shuffle {
  static constexpr Type kType = Type::t5;
  static constexpr int kUnits = 5;
  struct Block {
    __m512i code[5];
  };
  struct Tables {
    __m512i c0, c1, c3;
    Tables() {
      // of b mod 9; and of 0, 27, 54, whose low four bits are 0, 11, 6
      c0 = repeat(_mm_setr_epi8(0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0));
      c1 = repeat(_mm_setr_epi8(0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0));
      c3 = repeat(_mm_setr_epi8(0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0));
    }
    static __m512i repeat(__m128i v) { return _mm512_broadcast_i32x4(v); }
  };
  static Block load(const Tables& t, const uint8_t* p) {
    const __m512i b = _mm512_min_epu8(_mm512_loadu_si512(p), byte_set(242));
    const __m512i b81 = take_off(b, 81), b27 = take_off(b81, 27), b9 = take_off(b27, 9);
    const __m512i three = byte_set(3);
    return {{_mm512_shuffle_epi8(t.c0, b9), _mm512_shuffle_epi8(t.c1, b9),
             _mm512_and_si512(_mm512_sub_epi8(b27, b9), three),
             _mm512_shuffle_epi8(t.c3, _mm512_sub_epi8(b81, b27)),
             _mm512_and_si512(_mm512_sub_epi8(b, b81), three)}};
  }
  template <int f>
  static __m512i unit(const Block& b) {
    return b.code[f];
  }
  static constexpr int kShift[] = {0, 0, 0, 0, 0};
  template <int f>
  static __m512i scaled_unit(const Block& b) {
    return b.code[f];
  }
};

// fp16 scales of the rows of one panel, `stride` apart.
inline __m512 row_scales(const uint16_t* scale, size_t stride, size_t rows) {
  if (stride == 1) return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(tail_mask(rows), scale));
  alignas(32) uint16_t s[16] = {};
  for (size_t i = 0; i < rows; ++i) s[i] = scale[i * stride];
  return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(s)));
}

// What makers of CPUs differ in, measured on Sapphire Rapids and Zen 5.
struct Tuning {
  size_t ahead;      // bytes by which weights from memory are asked for before they are used
  bool unfold_once;  // decoding takes ports that multiply: many tokens share it (avx512_gemm.h)
};
inline constexpr Tuning kIntel{2048, true}, kAmd{4608, false};

struct IntCall : TileCall<IntScratch> {
  Tuning tuning;
};

// Multiplies unit f .. kUnits-1 of decoded blocks with the T inputs at q.
template <class F, int R, int T, int f>
inline void multiply_unit(const typename F::Block (&block)[R], const int32_t* q,
                          __m512i (&acc)[R][T]) {
  __m512i codes[R];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) codes[r] = F::template unit<f>(block[r]);
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) {
    const __m512i a = _mm512_set1_epi32(q[t]);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) acc[r][t] = dot(acc[r][t], codes[r], a);
  }
}

template <class F, int R, int T>
inline void multiply_block(const typename F::Block (&block)[R], const int32_t* q,
                           __m512i (&acc)[R][T]) {
  multiply_unit<F, R, T, 0>(block, q, acc);
  if constexpr (F::kUnits > 1) multiply_unit<F, R, T, 1>(block, q + T, acc);
  if constexpr (F::kUnits > 2) multiply_unit<F, R, T, 2>(block, q + 2 * T, acc);
  if constexpr (F::kUnits > 3) multiply_unit<F, R, T, 3>(block, q + 3 * T, acc);
  if constexpr (F::kUnits > 4) multiply_unit<F, R, T, 4>(block, q + 4 * T, acc);
}

template <int R, int T>
inline void start(const int32_t* base, __m512i (&acc)[R][T]) {
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) acc[r][t] = _mm512_set1_epi32(base[t]);
  }
}

// y = sum * s_a (+ bias) for one panel and the tokens there are.
template <int T>
inline void store_panel(const IntCall& c, size_t row0, size_t tile, const __m512 (&sum)[T]) {
  const __mmask16 rows = tail_mask(c.m1 - row0);
  const float* s_a = reinterpret_cast<const float*>(c.scratch) + tile * T;
  const size_t tokens = std::min<size_t>(T, c.n - tile * T);
  const __m512 bias =
      c.bias == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(rows, c.bias + row0);
  float* y = c.y + tile * T * c.ldy + row0;
#pragma GCC unroll 16
  for (size_t t = 0; t < T; ++t) {
    if (t >= tokens) break;
    __m512 v = _mm512_mul_ps(sum[t], _mm512_set1_ps(s_a[t]));
    if (c.bias != nullptr) v = _mm512_add_ps(v, bias);
    _mm512_mask_storeu_ps(y + t * c.ldy, rows, v);
  }
}

template <class F>
inline void prefetch_block(const uint8_t* p, size_t ahead) {
  for (size_t i = 0; i < block_bytes(F::kType); i += kLineBytes)
    _mm_prefetch(reinterpret_cast<const char*>(p) + ahead + i, _MM_HINT_T0);
}

template <class F, int f = 0>
inline void store_unfolded(const typename F::Block& block, uint8_t* out) {
  _mm512_store_si512(out + f * kLineBytes, F::template unit<f>(block));
  if constexpr (f + 1 < F::kUnits) store_unfolded<F, f + 1>(block, out);
}

// The block at p as its units, F::kUnits lines. On Intel's CPUs.
template <class F>
inline void unfold_units(const typename F::Tables& tables, const uint8_t* p, uint8_t* out) {
  prefetch_block<F>(p, kIntel.ahead);
  if constexpr (kIsSparse<F>) {
    alignas(64) uint8_t fields[kSteps * kLineBytes];
    unfold<F>(tables, typename F::Block(p), fields);
#pragma GCC unroll 8
    for (size_t i = 0; i < kSteps; ++i)
      store_unfolded<T2>(T2::load({}, fields + i * kLineBytes), out + i * T2::kUnits * kLineBytes);
  } else {
    store_unfolded<F>(F::load(tables, p), out);
  }
}

// One block of R panels, which lie panel_bytes apart, by the T inputs of its units. Blocks of t34
// and t14 are unfolded to blocks of t2 in the first-level cache: the look-ups are few beside the
// sums.
template <class F, int R, int T>
inline void multiply_weights(const typename F::Tables& tables, const uint8_t* w, size_t panel_bytes,
                             const size_t (&ahead)[R], const int32_t* q, __m512i (&acc)[R][T]) {
#pragma GCC unroll 4
  for (size_t r = 0; r < R; ++r) prefetch_block<F>(w + r * panel_bytes, ahead[r]);
  if constexpr (kIsSparse<F>) {
    alignas(64) uint8_t fields[R][kSteps * kLineBytes];
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r)
      unfold<F>(tables, typename F::Block(w + r * panel_bytes), fields[r]);
    for (size_t s = 0; s < kSteps; ++s, q += T2::kUnits * T) {
      T2::Block block[R];
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) block[r] = T2::load({}, fields[r] + s * kLineBytes);
      multiply_block<T2, R, T>(block, q, acc);
    }
  } else {
    typename F::Block block[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
      block[r] = F::load(tables, w + static_cast<size_t>(r) * panel_bytes);
    multiply_block<F, R, T>(block, q, acc);
  }
}

// How far ahead of each of R panels weights are asked for by a tile. The only tile: what it needs
// next. One of several: the tiles share the panels that come after these, one each, so that memory
// has all their time; the others ask for what they read.
template <int R>
inline void look_ahead(size_t panel_bytes, size_t alone, size_t tile, size_t tiles,
                       size_t (&ahead)[R]) {
  for (size_t r = 0; r < R; ++r)
    ahead[r] = tiles == 1 ? alone : r % tiles == tile ? R * panel_bytes : 0;
}

template <class F, int R, int T>
void int_tile_rows(const IntCall& c, size_t row0, size_t tile) {
  constexpr size_t kBytes = block_bytes(F::kType);
  const typename F::Tables tables;
  const uint8_t* panels =
      reinterpret_cast<const uint8_t*>(c.w.data.data()) + row0 / kPanelRows * c.panel_bytes;
  const auto* q = reinterpret_cast<const int32_t*>(c.scratch + c.s.q_at + tile * c.s.tile_bytes());
  const auto* base =
      reinterpret_cast<const int32_t*>(c.scratch + c.s.base_at) + tile * c.s.groups * T;
  const size_t panel_bytes = c.panel_bytes;
  size_t ahead[R];
  look_ahead<R>(panel_bytes, c.tuning.ahead, tile, c.s.tiles, ahead);
  if (c.s.tiles > 1)
    prefetch_outputs<R>(c.y + tile * T * c.ldy + row0, c.ldy, std::min<size_t>(T, c.n - tile * T));
  __m512 sum[R][T];
  for (size_t g = 0; g < c.s.groups; ++g, base += T) {
    const GroupSpan span = c.s.span(g);
    const uint8_t* w = panels + span.block * kBytes;
    __m512i acc[R][T];
    start<R, T>(base, acc);
    for (const uint8_t* const end = w + span.blocks * kBytes; w != end; w += kBytes) {
      multiply_weights<F, R, T>(tables, w, panel_bytes, ahead, q, acc);
      q += F::kUnits * T;
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) {
      const size_t row = row0 + r * kPanelRows;
      const __m512 s_w = row_scales(c.w.scale.data() + row * c.s.groups + g, c.s.groups,
                                    std::min(kPanelRows, c.m1 - row));
#pragma GCC unroll 16
      for (int t = 0; t < T; ++t) {
        const __m512 part = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[r][t]), s_w);
        sum[r][t] = g == 0 ? part : _mm512_add_ps(sum[r][t], part);
      }
    }
  }
#pragma GCC unroll 4
  for (size_t r = 0; r < R; ++r) store_panel<T>(c, row0 + r * kPanelRows, tile, sum[r]);
}

}  // namespace sterna::quant::avx512
