#if defined(__x86_64__)
#include <sterna/quant/formats.h>
#include <sterna/quant/target.h>

#include <algorithm>
#include <cstdint>

#include "attention_bf16.h"

STERNA_TARGET("avx512f,avx512bw,avx512vl,avx512dq")

namespace sterna::nn::bf16 {

namespace {

using quant::avx512::tail_mask;

constexpr size_t kLanes = 16;
static_assert(kLanes == quant::kPanelRows);

// 32 floats -> bf16, those of `low` in the lower half; to nearest even, subnormals become zero.
__m512i to_bf16(__m512 low, __m512 high) {
  __m512i out;
  asm("vcvtne2ps2bf16 %1, %2, %0" : "=v"(out) : "v"(low), "v"(high));
  return out;
}

// Word i of row j becomes word j of row i.
void transpose(__m512i (&r)[kLanes]) {
  __m512i t[kLanes];
#pragma GCC unroll 8
  for (size_t i = 0; i < kLanes; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  // r[4 q + c]: columns c, 4 + c, 8 + c, 12 + c of rows 4 q .. 4 q + 3, a lane a column.
#pragma GCC unroll 4
  for (size_t i = 0; i < kLanes; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
#pragma GCC unroll 4
  for (size_t c = 0; c < 4; ++c) {
    t[c] = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x88);           // columns c, 8 + c; rows 0 .. 7
    t[4 + c] = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xdd);       // 4 + c, 12 + c
    t[8 + c] = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x88);  // rows 8 .. 15
    t[12 + c] = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xdd);
  }
#pragma GCC unroll 4
  for (size_t c = 0; c < 4; ++c) {
    r[c] = _mm512_shuffle_i32x4(t[c], t[8 + c], 0x88);
    r[8 + c] = _mm512_shuffle_i32x4(t[c], t[8 + c], 0xdd);
    r[4 + c] = _mm512_shuffle_i32x4(t[4 + c], t[12 + c], 0x88);
    r[12 + c] = _mm512_shuffle_i32x4(t[4 + c], t[12 + c], 0xdd);
  }
}

}  // namespace

void pack_keys_avx512(const float* k, size_t ldk, size_t keys, size_t dim, uint32_t* to) noexcept {
  const size_t lines = (dim + 1) / 2;
  for (size_t row = 0; row < keys; row += kLanes, k += kLanes * ldk, to += lines * kLanes) {
    for (size_t c = 0; c < dim; c += 2 * kLanes) {
      const __mmask16 low = tail_mask(dim - c), high = tail_mask(dim - std::min(dim, c + kLanes));
      __m512i words[kLanes];
      for (size_t i = 0; i < kLanes; ++i) {
        const bool there = row + i < keys;
        const float* from = k + (there ? i * ldk : 0) + c;
        const float* next = from + (high != 0 ? kLanes : 0);
        words[i] = to_bf16(_mm512_maskz_loadu_ps(there ? low : __mmask16{0}, from),
                           _mm512_maskz_loadu_ps(there ? high : __mmask16{0}, next));
      }
      transpose(words);
      const size_t n = std::min(kLanes, lines - c / 2);
      for (size_t i = 0; i < n; ++i) _mm512_store_si512(to + (c / 2 + i) * kLanes, words[i]);
    }
  }
}

void pack_values_avx512(const float* v, size_t ldv, size_t keys, size_t dim,
                        uint32_t* to) noexcept {
  const __m512i pairs =  // word i: halves i of both inputs
      _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                       21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  for (size_t column = 0; column < dim; column += kLanes) {
    const __mmask16 there = tail_mask(dim - column);
    for (size_t c = 0; c < keys; c += 2, to += kLanes) {
      const float* from = v + c * ldv + column;
      const bool last = c + 1 == keys;
      const __m512i both =
          to_bf16(_mm512_maskz_loadu_ps(there, from),
                  _mm512_maskz_loadu_ps(last ? __mmask16{0} : there, last ? from : from + ldv));
      _mm512_store_si512(to, _mm512_permutexvar_epi16(pairs, both));
    }
  }
}

}  // namespace sterna::nn::bf16

STERNA_TARGET_END
#endif  // __x86_64__
