#pragma once

// t34 and t14 on NEON. Included by kernels_neon*.cpp alone, inside their target regions.
//
// As on AVX2 (avx2_sparse.h) a step of a block, 16 inputs of a row, becomes bytes of *fields* by
// look-ups and is then multiplied as a block of t2, by inputs that are permuted to match: unit f of
// 16 inputs is 0+f, 4+f, 8+f, 12+f. A table of 32 entries is one instruction here.

namespace sterna::quant::neon {
namespace {

// Bits `mask` of a, the others of b.
inline uint8x16_t choose(uint8_t mask, uint8x16_t a, uint8x16_t b) {
  return vbslq_u8(vdupq_n_u8(mask), a, b);
}

// Four rows of each of a block's lines.
template <size_t lines>
struct Lines {
  uint8x16_t a[lines];
  explicit Lines(const uint8_t* p) {
#pragma GCC unroll 5
    for (size_t i = 0; i < lines; ++i) a[i] = vld1q_u8(p + i * kLineBytes);
  }
};

// sparse_fields() of states `first` .. +15, states taken modulo their number.
template <Type type, int first>
inline uint8x16_t field_table() {
  static constexpr auto table = [] {
    std::array<uint8_t, 16> t{};
    for (int i = 0; i < 16; ++i)
      t[static_cast<size_t>(i)] = sparse_fields(type, (first + i) & (sparse_states(type) - 1));
    return t;
  }();
  return vld1q_u8(table.data());
}

struct T34Fields {
  static constexpr Type kType = Type::t34;
  using Block = Lines<5>;
  uint8x16x2_t table;
  T34Fields() : table{{field_table<kType, 0>(), field_table<kType, 16>()}} {}

  // The states of step s in the low five bits of each byte.
  template <int s>
  static uint8x16_t index(const Block& b) {
    if constexpr (s < 5) return b.a[s];
    if constexpr (s == 5) return choose(0x18, vshrq_n_u8(b.a[1], 3), vshrq_n_u8(b.a[0], 5));
    if constexpr (s == 6) return choose(0x18, vshrq_n_u8(b.a[3], 3), vshrq_n_u8(b.a[2], 5));
    const uint8x16_t first = choose(8, vshrq_n_u8(b.a[1], 2), vshrq_n_u8(b.a[4], 5));
    return choose(16, vshrq_n_u8(b.a[3], 1), first);
  }
  template <int s>
  uint8x16_t step(const Block& b) const {
    return vqtbl2q_u8(table, vandq_u8(index<s>(b), vdupq_n_u8(31)));
  }
};

struct T14Fields {
  static constexpr Type kType = Type::t14;
  struct Block : Lines<3> {
    uint8x16_t last;  // states of steps 6 and 7
    explicit Block(const uint8_t* p) : Lines(p) {
      const uint8x16_t low = choose(12, vshrq_n_u8(a[1], 4), vshrq_n_u8(a[0], 6));
      last = choose(48, vshrq_n_u8(a[2], 2), low);
    }
  };
  uint8x16_t table;
  T14Fields() : table(field_table<kType, 0>()) {}

  template <int s>
  uint8x16_t step(const Block& b) const {
    const uint8x16_t pair = s < 6 ? b.a[s / 2 % 3] : b.last;
    const uint8x16_t index = s % 2 == 0 ? pair : vshrq_n_u8(pair, 3);
    return vqtbl1q_u8(table, vandq_u8(index, vdupq_n_u8(7)));
  }
};

// The steps of four rows of a block as those of a block of t2: out [kSteps][stride].
template <class Fields, int s = 0>
inline void unfold(const Fields& f, const typename Fields::Block& block, size_t stride,
                   uint8_t* out) {
  vst1q_u8(out + s * stride, f.template step<s>(block));
  if constexpr (s + 1 < static_cast<int>(kSteps)) unfold<Fields, s + 1>(f, block, stride, out);
}

}  // namespace
}  // namespace sterna::quant::neon
