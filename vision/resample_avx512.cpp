#include "resample.h"

#if defined(__x86_64__)
#include <sterna/quant/target.h>

#include <algorithm>
#include <cstring>

// vpdpbusd multiplies four unsigned bytes by four signed ones and adds the products to 32 bits
// without saturating. A weight is three signed digits, w = d2 2^16 + d1 2^8 + d0, and four taps of
// a digit are one word; the three sums recombine modulo 2^32 to the exact total (resample.h).

STERNA_TARGET("avx2,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")

namespace sterna::vision {
namespace {

/// Words: digit 0 of taps 0..3, digit 1, digit 2. |w| < 2^23 - 2^15, so digit 2 fits too.
void pack(const int32_t* w, int32_t* words) {
  uint32_t packed[3] = {0, 0, 0};
  for (int t = 0; t < 4; ++t) {
    int32_t rest = w[t];
    for (uint32_t& word : packed) {
      const auto digit = static_cast<int8_t>(rest & 0xFF);
      word |= static_cast<uint32_t>(static_cast<uint8_t>(digit)) << (8 * t);
      rest = (rest - digit) >> 8;
    }
  }
  std::memcpy(words, packed, sizeof packed);
}

/// Start as Sums{}: an implicit constructor would be compiled outside the target region.
struct Sums {
  __m512i digit[3];

  void add(__m512i pixels, const int32_t* words) {
    for (int d = 0; d < 3; ++d) {
      digit[d] = _mm512_dpbusd_epi32(digit[d], pixels, _mm512_set1_epi32(words[d]));
    }
  }
  /// (2^21 + total) >> 22.
  __m512i finish() const {
    const __m512i high =
        _mm512_add_epi32(_mm512_slli_epi32(digit[2], 16), _mm512_slli_epi32(digit[1], 8));
    const __m512i round = _mm512_set1_epi32(1 << (kPrecision - 1));
    return _mm512_srai_epi32(_mm512_add_epi32(_mm512_add_epi32(high, digit[0]), round), kPrecision);
  }
};

__m128i load(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }

void horizontal(const Axis& axis, const uint8_t* const* in, uint8_t* const* out,
                size_t rows) noexcept {
  // A row in each 128-bit lane; missing rows repeat the last.
  const uint8_t* from[4];
  uint8_t* to[4];
  for (size_t r = 0; r < 4; ++r) {
    from[r] = in[std::min(r, rows - 1)];
    to[r] = out[std::min(r, rows - 1)];
  }
  // RGB RGB RGB RGB -> r0..r3, g0..g3, b0..b3, 0.
  const __m512i planes =
      _mm512_broadcast_i32x4(_mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1));
  for (size_t i = 0; i < axis.size; ++i) {
    const int32_t* w = axis.weights(i);
    size_t at = static_cast<size_t>(axis.first[i]) * 3;
    Sums sums{};
    for (size_t g = axis.used_groups(i); g > 0; --g, w += 3, at += 12) {
      const __m256i lower = _mm256_inserti128_si256(_mm256_castsi128_si256(load(from[0] + at)),
                                                    load(from[1] + at), 1);
      const __m256i upper = _mm256_inserti128_si256(_mm256_castsi128_si256(load(from[2] + at)),
                                                    load(from[3] + at), 1);
      const __m512i four = _mm512_inserti64x4(_mm512_castsi256_si512(lower), upper, 1);
      sums.add(_mm512_shuffle_epi8(four, planes), w);
    }
    const __m512i positive = _mm512_max_epi32(sums.finish(), _mm512_setzero_si512());
    const __m128i bytes = _mm512_cvtusepi32_epi8(positive);
    alignas(16) uint32_t pixel[4];
    _mm_store_si128(reinterpret_cast<__m128i*>(pixel), bytes);
    // The fourth byte is where the next pixel goes, but for the last.
    if (i + 1 < axis.size) {
      for (size_t r = 0; r < 4; ++r) std::memcpy(to[r] + i * 3, &pixel[r], 4);
    } else {
      for (size_t r = 0; r < 4; ++r) std::memcpy(to[r] + i * 3, &pixel[r], 3);
    }
  }
}

void vertical(const int32_t* weights, size_t groups, const uint8_t* const* rows, uint8_t* out,
              size_t n) noexcept {
  for (size_t x = 0; x < n; x += 64) {
    const __mmask64 mask = n - x >= 64 ? ~__mmask64{0} : (__mmask64{1} << (n - x)) - 1;
    Sums sums[4] = {};
    for (size_t g = 0; g < groups; ++g) {
      const uint8_t* const* row = rows + 4 * g;
      const __m512i r0 = _mm512_maskz_loadu_epi8(mask, row[0] + x);
      const __m512i r1 = _mm512_maskz_loadu_epi8(mask, row[1] + x);
      const __m512i r2 = _mm512_maskz_loadu_epi8(mask, row[2] + x);
      const __m512i r3 = _mm512_maskz_loadu_epi8(mask, row[3] + x);
      const __m512i lo01 = _mm512_unpacklo_epi8(r0, r1), hi01 = _mm512_unpackhi_epi8(r0, r1);
      const __m512i lo23 = _mm512_unpacklo_epi8(r2, r3), hi23 = _mm512_unpackhi_epi8(r2, r3);
      const int32_t* w = weights + 3 * g;
      // Within each lane: columns 0..3, 4..7, 8..11, 12..15, four rows of each.
      sums[0].add(_mm512_unpacklo_epi16(lo01, lo23), w);
      sums[1].add(_mm512_unpackhi_epi16(lo01, lo23), w);
      sums[2].add(_mm512_unpacklo_epi16(hi01, hi23), w);
      sums[3].add(_mm512_unpackhi_epi16(hi01, hi23), w);
    }
    const __m512i words_lo = _mm512_packs_epi32(sums[0].finish(), sums[1].finish());
    const __m512i words_hi = _mm512_packs_epi32(sums[2].finish(), sums[3].finish());
    _mm512_mask_storeu_epi8(out + x, mask, _mm512_packus_epi16(words_lo, words_hi));
  }
}

}  // namespace

const ResampleKernels kResampleAvx512{3, pack, horizontal, vertical};

}  // namespace sterna::vision

STERNA_TARGET_END

#endif  // __x86_64__
