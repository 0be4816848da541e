#pragma once

// Activations -> int8 tiles. Included by kernels_avx512.cpp and kernels_amx.cpp, inside their
// target regions.

namespace sterna::quant::avx512 {

// The larger of top and the bits of |v|, element by element.
inline __m512i larger_magnitude(__m512i top, __m512 v) {
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  return _mm512_max_epu32(top, _mm512_and_si512(_mm512_castps_si512(v), magnitude));
}

inline uint32_t row_top(const float* x, size_t k) {
  __m512i top[4];
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) top[i] = _mm512_setzero_si512();
  size_t c = 0;
  for (; c + 64 <= k; c += 64) {
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i)
      top[i] = larger_magnitude(top[i], _mm512_loadu_ps(x + c + 16 * i));
  }
  for (; c < k; c += 16)
    top[0] = larger_magnitude(top[0], _mm512_maskz_loadu_ps(tail_mask(k - c), x + c));
  return _mm512_reduce_max_epu32(
      _mm512_max_epu32(_mm512_max_epu32(top[0], top[1]), _mm512_max_epu32(top[2], top[3])));
}

// clip(round_half_even(v * scale), -127, 127).
inline __m512i quantised(__m512 v, __m512 scale) {
  const __m512i q = _mm512_cvtps_epi32(_mm512_mul_ps(v, scale));
  return _mm512_max_epi32(_mm512_min_epi32(q, _mm512_set1_epi32(127)), _mm512_set1_epi32(-127));
}

// Bytes 0 4 8 12 | 1 5 9 13 | ... of 16 inputs: the units that fields of t34 and t14 are multiplied
// with.
inline __m128i places() {
  return _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
}
inline __m128i by_place(__m128i v) { return _mm_shuffle_epi8(v, places()); }
inline __m512i by_place(__m512i v) {
  return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(places()));
}

// Units of one token, or of four that lie side by side: unit u, bytes 4u .. 4u+3 of each, goes to
// out[u * stride].
inline void store_units(const __m128i (&bytes)[1], std::byte* out, size_t stride, size_t count) {
  alignas(16) int32_t unit[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(unit), bytes[0]);
  for (size_t i = 0; i < count; ++i) std::memcpy(out + i * stride, &unit[i], 4);
}
inline void store_units(const __m128i (&b)[4], std::byte* out, size_t stride, size_t count) {
  const __m128i low01 = _mm_unpacklo_epi32(b[0], b[1]), high01 = _mm_unpackhi_epi32(b[0], b[1]);
  const __m128i low23 = _mm_unpacklo_epi32(b[2], b[3]), high23 = _mm_unpackhi_epi32(b[2], b[3]);
  const __m128i units[4] = {_mm_unpacklo_epi64(low01, low23), _mm_unpackhi_epi64(low01, low23),
                            _mm_unpacklo_epi64(high01, high23), _mm_unpackhi_epi64(high01, high23)};
  for (size_t i = 0; i < count; ++i)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i * stride), units[i]);
}

// `count` inputs of N tokens, which are one group, from x + at on. `sum` becomes the sums of their
// q.
template <size_t N, bool kByPlace>
inline void quantise_group(const float* const (&x)[N], size_t at, size_t count,
                           const float (&to_int)[N], std::byte* out, size_t stride,
                           int32_t (&sum)[N]) {
  __m512i sums[N];
#pragma GCC unroll 4
  for (size_t i = 0; i < N; ++i) sums[i] = _mm512_setzero_si512();
  for (size_t c = 0; c < count; c += 16, out += 4 * stride) {
    __m128i bytes[N];
#pragma GCC unroll 4
    for (size_t i = 0; i < N; ++i) {
      const __m512 v = _mm512_maskz_loadu_ps(tail_mask(count - c), x[i] + at + c);
      const __m512i q = quantised(v, _mm512_set1_ps(to_int[i]));
      sums[i] = _mm512_add_epi32(sums[i], q);
      bytes[i] = _mm512_cvtepi32_epi8(q);
      if constexpr (kByPlace) bytes[i] = by_place(bytes[i]);
    }
    if (kByPlace || c + 16 <= count) {
      store_units(bytes, out, stride, 4);
    } else {
      store_units(bytes, out, stride, (count - c + 3) / 4);
    }
  }
#pragma GCC unroll 4
  for (size_t i = 0; i < N; ++i) sum[i] = _mm512_reduce_add_epi32(sums[i]);
}

// Of N tokens side by side.
inline void zero_units(std::byte* out, size_t stride, size_t count, size_t tokens = 1) {
  for (size_t i = 0; i < count; ++i) std::memset(out + i * stride, 0, 4 * tokens);
}

// N tokens of a tile: q at out, base[group * tile].
template <size_t N, bool kByPlace>
inline void quantise_tokens(const WeightView& w, const IntScratch& s, const float* const (&x)[N],
                            const float (&to_int)[N], std::byte* out, int32_t* base) {
  const size_t stride = s.tile * 4, step = w.group == 0 ? w.k : w.group;
  for (size_t g = 0; g < s.groups; ++g) {
    const GroupSpan span = s.span(g);
    const size_t units = span.blocks * s.block_units;
    // Where places change, the last inputs fill four units.
    const size_t tail = kByPlace ? span.tail / 4 * 4 : span.tail;
    int32_t sum[N];
    zero_units(out, stride, span.lead, N);
    quantise_group<N, kByPlace>(x, g * step, std::min(step, w.k - g * step), to_int,
                                out + span.lead * stride, stride, sum);
    for (size_t i = 0; i < N; ++i) base[g * s.tile + i] = -code_offset(w.type) * sum[i];
    zero_units(out + (units - tail) * stride, stride, tail, N);
    out += units * stride;
  }
}

// A token that is zero, not finite, or not there.
inline void clear_token(const IntScratch& s, std::byte* out, int32_t* base) {
  for (size_t g = 0; g < s.groups; ++g) base[g * s.tile] = 0;
  zero_units(out, s.tile * 4, s.units);
}

inline constexpr size_t kLeastTile = 6, kMostTile = 8;

inline size_t int_tile(size_t n) noexcept { return best_tile(n, kLeastTile, kMostTile); }

inline size_t int_scratch(const WeightView& w, size_t n) noexcept {
  return IntScratch(w, n, int_tile(n), 1).bytes;
}

template <bool kByPlace>
void int_prepare(const WeightView& w, const float* x, size_t ldx, size_t n, size_t n0, size_t n1,
                 std::byte* scratch) noexcept {
  const IntScratch s(w, n, int_tile(n), 1);
  auto* scale = reinterpret_cast<float*>(scratch);
  auto* base = reinterpret_cast<int32_t*>(scratch + s.base_at);
  for (size_t i = n0 / s.tile; i * s.tile < n1; ++i) {
    std::byte* const q = scratch + s.q_at + i * s.tile_bytes();
    int32_t* const tile_base = base + i * s.groups * s.tile;
    const auto row = [&](size_t t) { return x + (i * s.tile + t) * ldx; };
    float to_int[kMostTile];
    for (size_t t = 0; t < s.tile; ++t) {
      TokenScale ts{0, 0};
      if (i * s.tile + t < n) ts = token_scale(row_top(row(t), w.k));
      scale[i * s.tile + t] = ts.to_real;
      to_int[t] = ts.to_int;
    }
    for (size_t t = 0; t < s.tile;) {
      const float* a = to_int + t;
      std::byte* const out = q + t * 4;
      if (t + 4 <= s.tile && std::count(a, a + 4, 0.0f) == 0) {
        quantise_tokens<4, kByPlace>(w, s, {row(t), row(t + 1), row(t + 2), row(t + 3)},
                                     {a[0], a[1], a[2], a[3]}, out, tile_base + t);
        t += 4;
        continue;
      }
      if (*a == 0) {
        clear_token(s, out, tile_base + t);
      } else {
        quantise_tokens<1, kByPlace>(w, s, {row(t)}, {*a}, out, tile_base + t);
      }
      ++t;
    }
  }
}

}  // namespace sterna::quant::avx512
