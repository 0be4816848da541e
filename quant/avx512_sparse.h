#pragma once

// t34 and t14 on AVX-512. Included by kernels_avx512.cpp and kernels_amx.cpp, inside their target
// regions, before avx512_int.h, whose tiles call it.
//
// A step of a block (16 inputs of 16 rows, one state a byte) becomes a vector of *fields*: one
// look-up of the states in a table of bytes that hold four 2-bit codes, as a block of t2 does. In
// t2, field f of the four bytes of a lane are four neighbours; here they are the f-th weights of
// four groups. So prepared inputs are permuted to match: unit f of 16 inputs is 0+f, 4+f, 8+f,
// 12+f.
//
// With VBMI one `vpermb` looks up 64 entries and ignores the upper two bits of an index, so t34
// reads five of eight steps without any masking (its 32 entries lie twice in the table), and t14
// looks six bits up at once, low or high states by the choice of the table.

namespace sterna::quant::avx512 {

inline __m512i byte_set(int v) { return _mm512_set1_epi8(static_cast<char>(v)); }

// table[index mod 64], a byte each (VBMI).
inline __m512i look_up(__m512i index, __m512i table) {
  __m512i out;
  asm("vpermb %2, %1, %0" : "=v"(out) : "v"(index), "v"(table));
  return out;
}

// Bits `mask` of a, the others of b.
inline __m512i choose(int mask, __m512i a, __m512i b) {
  return _mm512_ternarylogic_epi64(byte_set(mask), a, b, 0xca);
}

template <Type type, size_t size>
constexpr std::array<uint8_t, size> field_table(int shift) {
  std::array<uint8_t, size> t{};
  for (size_t i = 0; i < size; ++i)
    t[i] = sparse_fields(type, static_cast<int>(i) >> shift & (sparse_states(type) - 1));
  return t;
}

template <size_t lines>
struct Lines {
  __m512i a[lines];
  explicit Lines(const uint8_t* p) {
#pragma GCC unroll 5
    for (size_t i = 0; i < lines; ++i) a[i] = _mm512_loadu_si512(p + i * kLineBytes);
  }
};

// The states of step s of t34 in the low five bits of each byte.
template <int s>
inline __m512i t34_index(const Lines<5>& b) {
  if constexpr (s < 5) return b.a[s];
  if constexpr (s == 5)
    return choose(0x18, _mm512_srli_epi16(b.a[1], 3), _mm512_srli_epi16(b.a[0], 5));
  if constexpr (s == 6)
    return choose(0x18, _mm512_srli_epi16(b.a[3], 3), _mm512_srli_epi16(b.a[2], 5));
  const __m512i low = choose(8, _mm512_srli_epi16(b.a[1], 2), _mm512_srli_epi16(b.a[4], 5));
  return choose(16, _mm512_srli_epi16(b.a[3], 1), low);
}

// Bits 6, 7 of the three lines of t14: the states of steps 6 and 7 in the low six bits.
inline __m512i t14_last(const Lines<3>& b) {
  const __m512i low = choose(12, _mm512_srli_epi16(b.a[1], 4), _mm512_srli_epi16(b.a[0], 6));
  return choose(48, _mm512_srli_epi16(b.a[2], 2), low);
}

struct Sparse34 {
  static constexpr Type kType = Type::t34;
  static constexpr int kUnits = 32;
  using Block = Lines<5>;
};

struct T34Vbmi : Sparse34 {
  struct Tables {
    __m512i fields;
    Tables() {
      static constexpr auto table = field_table<Type::t34, 64>(0);
      fields = _mm512_loadu_si512(table.data());
    }
  };
  template <int s>
  static __m512i fields(const Tables& t, const Block& b) {
    return look_up(t34_index<s>(b), t.fields);
  }
};

// Two look-ups of 16 entries, the second where bit 4 is set.
struct T34Shuffle : Sparse34 {
  struct Tables {
    __m512i low, high;
    Tables() {
      static constexpr auto table = field_table<Type::t34, 32>(0);
      const auto* p = reinterpret_cast<const __m128i*>(table.data());
      low = _mm512_broadcast_i32x4(_mm_loadu_si128(p));
      high = _mm512_broadcast_i32x4(_mm_loadu_si128(p + 1));
    }
  };
  template <int s>
  static __m512i fields(const Tables& t, const Block& b) {
    const __m512i index = t34_index<s>(b), low = _mm512_and_si512(index, byte_set(15));
    const __mmask64 high = _mm512_test_epi8_mask(index, byte_set(16));
    return _mm512_mask_shuffle_epi8(_mm512_shuffle_epi8(t.low, low), high, t.high, low);
  }
};

struct Sparse14 {
  static constexpr Type kType = Type::t14;
  static constexpr int kUnits = 32;
  struct Block : Lines<3> {
    __m512i last;
    explicit Block(const uint8_t* p) : Lines(p), last(t14_last(*this)) {}
    template <int s>
    __m512i pair() const {  // the states of step s and its neighbour in the low six bits
      return s < 6 ? a[s / 2 % 3] : last;
    }
  };
};

struct T14Vbmi : Sparse14 {
  struct Tables {
    __m512i fields[2];
    Tables() {
      static constexpr auto low = field_table<Type::t14, 64>(0),
                            high = field_table<Type::t14, 64>(3);
      fields[0] = _mm512_loadu_si512(low.data());
      fields[1] = _mm512_loadu_si512(high.data());
    }
  };
  template <int s>
  static __m512i fields(const Tables& t, const Block& b) {
    return look_up(b.pair<s>(), t.fields[s % 2]);
  }
};

struct T14Shuffle : Sparse14 {
  struct Tables {
    __m512i fields;
    Tables() {
      static constexpr auto table = field_table<Type::t14, 16>(0);
      fields =
          _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table.data())));
    }
  };
  template <int s>
  static __m512i fields(const Tables& t, const Block& b) {
    const __m512i pair = b.pair<s>(), index = s % 2 == 0 ? pair : _mm512_srli_epi16(pair, 3);
    return _mm512_shuffle_epi8(t.fields, _mm512_and_si512(index, byte_set(7)));
  }
};

template <class F>
inline constexpr bool kIsSparse = is_sparse(F::kType);

// The steps of one block as blocks of t2.
template <class F, int s = 0>
inline void unfold(const typename F::Tables& tables, const typename F::Block& block, uint8_t* out) {
  _mm512_store_si512(out + s * kLineBytes, F::template fields<s>(tables, block));
  if constexpr (s + 1 < static_cast<int>(kSteps)) unfold<F, s + 1>(tables, block, out);
}

// ---- One token against t14, with VBMI. A weight that is not zero picks one of four inputs or its
// negative, so the inputs become tables: 8 bytes a group, { a0, a1, a2, a3, -a0, -a1, -a2, -a3 }
// in the order of states, 8 groups (32 inputs, two steps) in a register. The index of a byte is its
// state and which of 8 groups it belongs to; what is looked up is the product itself, and a dot
// product with ones sums the four of a lane. Three instructions do for 256 weights.

inline bool looks_up(const WeightView& w, size_t n) noexcept { return n == 1 && w.group == 0; }

inline size_t t14_scratch(const WeightView& w, size_t n) noexcept {
  const IntScratch s(w, n, int_tile(n), 1);
  return s.bytes + (looks_up(w, n) ? s.units * 8 : 0);
}

inline void t14_prepare(const WeightView& w, const float* x, size_t ldx, size_t n, size_t n0,
                        size_t n1, std::byte* scratch) noexcept {
  if (!looks_up(w, n)) return int_prepare<true>(w, x, ldx, n, n0, n1, scratch);
  int_prepare<false>(w, x, ldx, n, n0, n1, scratch);
  const IntScratch s(w, n, 1, 1);
  const std::byte* q = scratch + s.q_at;
  std::byte* tables = scratch + s.bytes;
  for (size_t u = 0; u < s.units; u += 8, q += 32, tables += kLineBytes) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q));
    const __m256i minus = _mm256_sub_epi8(_mm256_setzero_si256(), a);
    _mm512_storeu_si512(tables,
                        _mm512_or_si512(_mm512_cvtepu32_epi64(a),
                                        _mm512_slli_epi64(_mm512_cvtepu32_epi64(minus), 32)));
  }
}

}  // namespace sterna::quant::avx512
