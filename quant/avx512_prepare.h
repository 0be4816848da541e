#pragma once

// Activations -> int8 tiles. Included by kernels_avx512.cpp alone, inside its target region.

namespace sterna::quant::avx512 {

inline __mmask16 tail_mask(size_t count) {
  return count >= 16 ? __mmask16{0xffff} : static_cast<__mmask16>((1u << count) - 1);
}

inline uint32_t row_top(const float* x, size_t k) {
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  __m512i top = _mm512_setzero_si512();
  for (size_t c = 0; c < k; c += 16) {
    const __m512 v = _mm512_maskz_loadu_ps(tail_mask(k - c), x + c);
    top = _mm512_max_epu32(top, _mm512_and_si512(_mm512_castps_si512(v), magnitude));
  }
  return _mm512_reduce_max_epu32(top);
}

// Stores `count` dwords of v, `stride` bytes apart.
inline void store_units(std::byte* out, size_t stride, __m128i v, size_t count) {
  alignas(16) int32_t unit[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(unit), v);
  for (size_t i = 0; i < count; ++i) std::memcpy(out + i * stride, &unit[i], 4);
}

// clip(round_half_even(v * scale), -127, 127).
inline __m512i quantised(__m512 v, __m512 scale) {
  const __m512i q = _mm512_cvtps_epi32(_mm512_mul_ps(v, scale));
  return _mm512_max_epi32(_mm512_min_epi32(q, _mm512_set1_epi32(127)), _mm512_set1_epi32(-127));
}

// Inputs [c, end) of one token, which are one group; returns the sum of q. Unit u goes to
// out[u * stride].
inline int32_t quantise_group(const float* x, size_t count, float to_int, std::byte* out,
                              size_t stride) {
  const __m512 scale = _mm512_set1_ps(to_int);
  __m512i sum = _mm512_setzero_si512();
  for (size_t c = 0; c < count; c += 16, out += 4 * stride) {
    const __m512 v = _mm512_maskz_loadu_ps(tail_mask(count - c), x + c);
    const __m512i q = quantised(v, scale);
    sum = _mm512_add_epi32(sum, q);
    const __m128i bytes = _mm512_cvtepi32_epi8(q);
    if (c + 16 <= count) {
      store_units(out, stride, bytes, 4);
    } else {
      store_units(out, stride, bytes, (count - c + 3) / 4);
    }
  }
  return _mm512_reduce_add_epi32(sum);
}

inline void zero_units(std::byte* out, size_t stride, size_t count) {
  for (size_t i = 0; i < count; ++i) std::memset(out + i * stride, 0, 4);
}

// One token: q at out, base[group * tile].
inline void quantise_token(const WeightView& w, const IntScratch& s, const float* x, float to_int,
                           std::byte* out, int32_t* base) {
  const size_t stride = s.tile * 4, step = w.group == 0 ? w.k : w.group;
  for (size_t g = 0; g < s.groups; ++g) {
    const GroupSpan span = s.span(g);
    const size_t units = span.blocks * s.block_units;
    const size_t count = std::min(step, w.k - g * step);
    zero_units(out, stride, span.lead);
    base[g * s.tile] = -code_offset(w.type) * quantise_group(x + g * step, count, to_int,
                                                             out + span.lead * stride, stride);
    zero_units(out + (units - span.tail) * stride, stride, span.tail);
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

inline void int_prepare(const WeightView& w, const float* x, size_t ldx, size_t n, size_t n0,
                        size_t n1, std::byte* scratch) noexcept {
  const IntScratch s(w, n, int_tile(n), 1);
  auto* scale = reinterpret_cast<float*>(scratch);
  auto* base = reinterpret_cast<int32_t*>(scratch + s.base_at);
  for (size_t i = n0 / s.tile; i * s.tile < n1; ++i) {
    std::byte* q = scratch + s.q_at + i * s.tile_bytes();
    for (size_t t = 0; t < s.tile; ++t) {
      int32_t* token_base = base + i * s.groups * s.tile + t;
      const size_t token = i * s.tile + t;
      TokenScale ts{0, 0};
      if (token < n) ts = token_scale(row_top(x + token * ldx, w.k));
      scale[token] = ts.to_real;
      if (ts.to_int == 0) {
        clear_token(s, q + t * 4, token_base);
      } else {
        quantise_token(w, s, x + token * ldx, ts.to_int, q + t * 4, token_base);
      }
    }
  }
}

}  // namespace sterna::quant::avx512
