#include "resample.h"

#if defined(__x86_64__)
#include <sterna/quant/target.h>

#include <algorithm>
#include <cstring>

// Weights do not fit the 16 bits that vpmaddwd multiplies, so each is split: w = h 2^15 + l with
// 0 <= l < 2^15 and |h| <= 2^9. Both halves times a byte, two taps at a time, stay far below
// 2^31; their sums may wrap, the recombined total does not (resample.h).

STERNA_TARGET("avx2")

namespace sterna::vision {
namespace {

constexpr int kSplit = 15;
constexpr int32_t kLowMask = (1 << kSplit) - 1;

int32_t pair(int32_t a, int32_t b) {
  return static_cast<int32_t>((static_cast<uint32_t>(b) << 16) |
                              (static_cast<uint32_t>(a) & 0xFFFF));
}

/// Words: low halves of taps 0, 1; high halves of 0, 1; low of 2, 3; high of 2, 3.
void pack(const int32_t* w, int32_t* words) {
  for (int p = 0; p < 2; ++p, w += 2, words += 2) {
    words[0] = pair(w[0] & kLowMask, w[1] & kLowMask);
    words[1] = pair(w[0] >> kSplit, w[1] >> kSplit);
  }
}

/// The weight of tap t of a packed group.
int32_t unpacked(const int32_t* words, size_t t) {
  const int32_t *two = words + t / 2 * 2, shift = t % 2 == 0 ? 0 : 16;
  const auto half = [&](int32_t word) {
    return static_cast<int16_t>(static_cast<uint32_t>(word) >> shift);
  };
  return half(two[1]) * (1 << kSplit) + half(two[0]);
}

/// (2^21 + h 2^15 + l) >> 22.
__m256i finish(__m256i low, __m256i high) {
  const __m256i round = _mm256_set1_epi32(1 << (kPrecision - 1));
  const __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high, kSplit), low);
  return _mm256_srai_epi32(_mm256_add_epi32(sum, round), kPrecision);
}

/// acc += the dot products of two taps.
void add(__m256i& acc, __m256i pixels, int32_t weights) {
  acc = _mm256_add_epi32(acc, _mm256_madd_epi16(pixels, _mm256_set1_epi32(weights)));
}

__m256i load2(const uint8_t* a, const uint8_t* b) {
  return _mm256_inserti128_si256(
      _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a))),
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(b)), 1);
}

void horizontal(const Axis& axis, const uint8_t* const* in, uint8_t* const* out,
                size_t rows) noexcept {
  // A row in each half of a register; missing rows repeat the last.
  const uint8_t* from[4];
  uint8_t* to[4];
  for (size_t r = 0; r < 4; ++r) {
    from[r] = in[std::min(r, rows - 1)];
    to[r] = out[std::min(r, rows - 1)];
  }
  // RGB RGB RGB RGB -> r0 r1 g0 g1 b0 b1 0 0 as 16 bits, and the same of pixels 2 and 3.
  const __m256i first = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
  const __m256i second = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
  for (size_t i = 0; i < axis.size; ++i) {
    const int32_t* w = axis.weights(i);
    const size_t offset = static_cast<size_t>(axis.first[i]) * 3;
    const uint8_t *p0 = from[0] + offset, *p1 = from[1] + offset;
    const uint8_t *p2 = from[2] + offset, *p3 = from[3] + offset;
    __m256i low_a = _mm256_setzero_si256(), high_a = low_a, low_b = low_a, high_b = low_a;
    for (size_t g = axis.used_groups(i); g > 0; --g, w += 4) {
      const __m256i a = load2(p0, p1), b = load2(p2, p3);
      const __m256i a01 = _mm256_shuffle_epi8(a, first), a23 = _mm256_shuffle_epi8(a, second);
      const __m256i b01 = _mm256_shuffle_epi8(b, first), b23 = _mm256_shuffle_epi8(b, second);
      add(low_a, a01, w[0]);
      add(high_a, a01, w[1]);
      add(low_b, b01, w[0]);
      add(high_b, b01, w[1]);
      add(low_a, a23, w[2]);
      add(high_a, a23, w[3]);
      add(low_b, b23, w[2]);
      add(high_b, b23, w[3]);
      p0 += 12, p1 += 12, p2 += 12, p3 += 12;
    }
    // Rows 0 and 2 in the lower lane, 1 and 3 in the upper, four bytes each.
    const __m256i words = _mm256_packs_epi32(finish(low_a, high_a), finish(low_b, high_b));
    const __m256i bytes = _mm256_packus_epi16(words, words);
    const int64_t lower = _mm256_extract_epi64(bytes, 0), upper = _mm256_extract_epi64(bytes, 2);
    const uint32_t pixel[4] = {static_cast<uint32_t>(lower), static_cast<uint32_t>(upper),
                               static_cast<uint32_t>(lower >> 32),
                               static_cast<uint32_t>(upper >> 32)};
    // The fourth byte is where the next pixel goes, but for the last.
    const size_t width = i + 1 < axis.size ? 4 : 3;
    for (size_t r = 0; r < 4; ++r) {
      if (width == 4) {
        std::memcpy(to[r] + i * 3, &pixel[r], 4);
      } else {
        std::memcpy(to[r] + i * 3, &pixel[r], 3);
      }
    }
  }
}

void vertical(const int32_t* weights, size_t groups, const uint8_t* const* rows, uint8_t* out,
              size_t n) noexcept {
  size_t x = 0;
  for (; x + 16 <= n; x += 16) {
    __m256i low_a = _mm256_setzero_si256(), high_a = low_a, low_b = low_a, high_b = low_a;
    for (size_t g = 0; g < 2 * groups; ++g) {  // two rows at a time
      const auto wide = [&](size_t r) {
        return _mm256_cvtepu8_epi16(
            _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[2 * g + r] + x)));
      };
      const __m256i even = wide(0), odd = wide(1);
      const __m256i a = _mm256_unpacklo_epi16(even, odd);  // columns 0..3, 8..11
      const __m256i b = _mm256_unpackhi_epi16(even, odd);  // columns 4..7, 12..15
      add(low_a, a, weights[2 * g]);
      add(high_a, a, weights[2 * g + 1]);
      add(low_b, b, weights[2 * g]);
      add(high_b, b, weights[2 * g + 1]);
    }
    const __m256i words = _mm256_packs_epi32(finish(low_a, high_a), finish(low_b, high_b));
    const __m128i bytes =
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + x), bytes);
  }
  for (; x < n; ++x) {
    uint32_t sum = 1U << (kPrecision - 1);
    for (size_t t = 0; t < groups * kTapGroup; ++t) {
      const int32_t w = unpacked(weights + t / kTapGroup * 4, t % kTapGroup);
      sum += static_cast<uint32_t>(w) * rows[t][x];
    }
    const int32_t v = static_cast<int32_t>(sum) >> kPrecision;
    out[x] = static_cast<uint8_t>(v < 0 ? 0 : v > 255 ? 255 : v);
  }
}

}  // namespace

const ResampleKernels kResampleAvx2{4, pack, horizontal, vertical};

}  // namespace sterna::vision

STERNA_TARGET_END

#endif  // __x86_64__
