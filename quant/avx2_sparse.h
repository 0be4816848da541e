#pragma once

// t34 and t14 on AVX2. Included by kernels_avx2.cpp alone, inside its target region, between
// avx2_prepare.h and avx2_int.h, whose tiles call it.
//
// As on AVX-512 (avx512_sparse.h) a step of a block, 16 inputs of the 8 rows of a half, becomes a
// vector of *fields* by look-ups of 16 entries and is then multiplied as a block of t2, by inputs
// that are permuted to match: unit f of 16 inputs is 0+f, 4+f, 8+f, 12+f.

namespace sterna::quant::avx2 {

inline __m256i byte_set(int v) { return _mm256_set1_epi8(static_cast<char>(v)); }
inline __m256i load_bytes(const uint8_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

// Bits `mask` of a, the others of b.
inline __m256i choose(int mask, __m256i a, __m256i b) {
  const __m256i m = byte_set(mask);
  return _mm256_or_si256(_mm256_and_si256(m, a), _mm256_andnot_si256(m, b));
}

// Half a line of each of a block's lines.
template <size_t lines>
struct Lines {
  __m256i a[lines];
  explicit Lines(const uint8_t* p) {
#pragma GCC unroll 5
    for (size_t i = 0; i < lines; ++i) a[i] = load_bytes(p + i * kLineBytes);
  }
};

// sparse_fields() of states `first` .. +15 in both lanes, states taken modulo their number.
template <Type type>
inline __m256i field_table(int first) {
  alignas(16) uint8_t t[16];
  for (int i = 0; i < 16; ++i) t[i] = sparse_fields(type, (first + i) & (sparse_states(type) - 1));
  return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(t)));
}

struct T34Fields {
  static constexpr Type kType = Type::t34;
  using Block = Lines<5>;
  __m256i low, high;
  T34Fields() : low(field_table<kType>(0)), high(field_table<kType>(16)) {}

  // The states of step s in the low five bits of each byte.
  template <int s>
  static __m256i index(const Block& b) {
    if constexpr (s < 5) return b.a[s];
    if constexpr (s == 5)
      return choose(0x18, _mm256_srli_epi16(b.a[1], 3), _mm256_srli_epi16(b.a[0], 5));
    if constexpr (s == 6)
      return choose(0x18, _mm256_srli_epi16(b.a[3], 3), _mm256_srli_epi16(b.a[2], 5));
    const __m256i first = choose(8, _mm256_srli_epi16(b.a[1], 2), _mm256_srli_epi16(b.a[4], 5));
    return choose(16, _mm256_srli_epi16(b.a[3], 1), first);
  }
  // Two look-ups; bit 4, shifted to the top of the byte, chooses.
  template <int s>
  __m256i step(const Block& b) const {
    const __m256i i = index<s>(b), i16 = _mm256_and_si256(i, byte_set(15));
    return _mm256_blendv_epi8(_mm256_shuffle_epi8(low, i16), _mm256_shuffle_epi8(high, i16),
                              _mm256_slli_epi16(i, 3));
  }
};

struct T14Fields {
  static constexpr Type kType = Type::t14;
  struct Block : Lines<3> {
    __m256i last;  // states of steps 6 and 7
    explicit Block(const uint8_t* p) : Lines(p) {
      const __m256i low = choose(12, _mm256_srli_epi16(a[1], 4), _mm256_srli_epi16(a[0], 6));
      last = choose(48, _mm256_srli_epi16(a[2], 2), low);
    }
  };
  __m256i fields;
  T14Fields() : fields(field_table<kType>(0)) {}

  template <int s>
  __m256i step(const Block& b) const {
    const __m256i pair = s < 6 ? b.a[s / 2 % 3] : b.last;
    const __m256i index = s % 2 == 0 ? pair : _mm256_srli_epi16(pair, 3);
    return _mm256_shuffle_epi8(fields, _mm256_and_si256(index, byte_set(7)));
  }
};

// The steps of half a block as half blocks of t2, 32 bytes each.
template <class Fields, int s = 0>
inline void unfold(const Fields& f, const typename Fields::Block& block, uint8_t* out) {
  _mm256_store_si256(reinterpret_cast<__m256i*>(out + s * 32), f.template step<s>(block));
  if constexpr (s + 1 < static_cast<int>(kSteps)) unfold<Fields, s + 1>(f, block, out);
}

// Permutes the units of prepared inputs (int_scratch.h).
inline void permute_units(const IntScratch& s, int8_t* q) {
  const __m128i places = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const size_t stride = s.tile * 4;
  for (size_t u = 0; u < s.units; u += 4, q += 4 * stride) {
    for (size_t t = 0; t < s.tile; ++t) {
      alignas(16) int8_t unit[16];
      for (size_t i = 0; i < 4; ++i) std::memcpy(unit + 4 * i, q + i * stride + 4 * t, 4);
      auto* p = reinterpret_cast<__m128i*>(unit);
      _mm_store_si128(p, _mm_shuffle_epi8(_mm_load_si128(p), places));
      for (size_t i = 0; i < 4; ++i) std::memcpy(q + i * stride + 4 * t, unit + 4 * i, 4);
    }
  }
}

template <class F>
void sparse_prepare(const WeightView& w, const float* x, size_t ldx, size_t n, size_t n0, size_t n1,
                    std::byte* scratch) noexcept {
  int_prepare<F>(w, x, ldx, n, n0, n1, scratch);
  const IntScratch s(w, n, int_tile<F>(n), 1);
  for (size_t i = n0 / s.tile; i * s.tile < n1; ++i)
    permute_units(s, reinterpret_cast<int8_t*>(scratch + s.q_at + i * s.tile_bytes()));
}

}  // namespace sterna::quant::avx2
