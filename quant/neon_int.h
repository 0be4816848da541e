#pragma once

// i8, t2, t5, t34 and t14 on NEON. Included by kernels_neon*.cpp alone, inside their target
// regions; each brings a multiplication M of its own:
//
//   kBlocks      1, or 2 where it multiplies two blocks of weights at a time
//   Tiles, tile  the numbers of tokens T in a tile that it has code for, and the choice for n
//   Sum<T>       4 rows by T tokens, of no more than kUnits<F> units
//   clear, multiply(sum, codes, q), widen(sum, acc)
//                sum = 0, sum += codes * q, acc [T][4] += sum
//
// A tile is Q quads of rows (4 rows each, 16 bytes of a line) by T tokens. Codes are signed bytes:
// ternary ones are weight + 1, of i8 the bytes with their top bit flipped are the weights. Sums in
// 32 bits may wrap on their way to |sum w q| <= 128 * 127 * kMaxInputs < 2^31 (formats.h).

namespace sterna::quant::neon {
namespace {

struct T2 {
  static constexpr Type kType = Type::t2;
  static constexpr int kUnits = 4, kOffset = 1, kMostCode = 3;  // 3 in a broken file
  struct Block {
    uint8x16_t bytes;
  };
  static Block load(uint8x16_t bytes) { return {bytes}; }
  template <int f>
  static int8x16_t unit(const Block& b) {
    uint8x16_t v = b.bytes;
    if constexpr (f > 0) v = vshrq_n_u8(v, 2 * f);
    if constexpr (f < 3) v = vandq_u8(v, vdupq_n_u8(3));
    return vreinterpretq_s8_u8(v);
  }
};

// min(b, b - v) keeps b where b < v, because the difference wraps to something larger.
inline uint8x16_t take_off(uint8x16_t b, uint8_t value) {
  const uint8x16_t v = vdupq_n_u8(value);
  b = vminq_u8(b, vsubq_u8(b, v));
  return vminq_u8(b, vsubq_u8(b, v));
}

// b mod 81, mod 27, mod 9; what each step took off tells a code: the low two bits of 0, 81, 162 and
// of 0, 9, 18 are 0, 1, 2; the low four of 0, 27, 54 are 0, 11, 6. The rest, 0 .. 8, is looked up.
struct T5 {
  static constexpr Type kType = Type::t5;
  static constexpr int kUnits = 5, kOffset = 1, kMostCode = 2;
  struct Block {
    uint8x16_t code[5];
  };
  static Block load(uint8x16_t bytes) {
    static constexpr uint8_t k0[16] = {0, 1, 2, 0, 1, 2, 0, 1, 2};
    static constexpr uint8_t k1[16] = {0, 0, 0, 1, 1, 1, 2, 2, 2};
    static constexpr uint8_t k3[16] = {0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1};
    const uint8x16_t b = vminq_u8(bytes, vdupq_n_u8(242)), three = vdupq_n_u8(3);
    const uint8x16_t b81 = take_off(b, 81), b27 = take_off(b81, 27), b9 = take_off(b27, 9);
    const uint8x16_t third = vandq_u8(vsubq_u8(b81, b27), vdupq_n_u8(15));
    return {{vqtbl1q_u8(vld1q_u8(k0), b9), vqtbl1q_u8(vld1q_u8(k1), b9),
             vandq_u8(vsubq_u8(b27, b9), three), vqtbl1q_u8(vld1q_u8(k3), third),
             vandq_u8(vsubq_u8(b, b81), three)}};
  }
  template <int f>
  static int8x16_t unit(const Block& b) {
    return vreinterpretq_s8_u8(b.code[f]);
  }
};

struct I8 {
  static constexpr Type kType = Type::i8;
  static constexpr int kUnits = 1, kOffset = 0, kMostCode = 128;
  struct Block {
    uint8x16_t bytes;
  };
  static Block load(uint8x16_t bytes) { return {veorq_u8(bytes, vdupq_n_u8(128))}; }
  template <int f>
  static int8x16_t unit(const Block& b) {
    return vreinterpretq_s8_u8(b.bytes);
  }
};

// t34 and t14: the steps of a block become blocks of t2 in the first-level cache.
template <class SparseFields>
struct Sparse {
  static constexpr Type kType = SparseFields::kType;
  static constexpr int kUnits = kSteps * T2::kUnits, kOffset = T2::kOffset;
  static constexpr int kMostCode = T2::kMostCode;
  using Fields = SparseFields;
};
using T34 = Sparse<T34Fields>;
using T14 = Sparse<T14Fields>;

using IntCall = TileCall<IntScratch>;

template <class F, class M, int T, int f>
inline void multiply_unit(const typename F::Block (&block)[M::kBlocks], const int8_t* q,
                          typename M::template Sum<T>& sum) {
  int8x16_t codes[M::kBlocks];
#pragma GCC unroll 2
  for (int i = 0; i < M::kBlocks; ++i) codes[i] = F::template unit<f>(block[i]);
  M::template multiply<T>(sum, codes, q + f * T * M::kBlocks * 4);
  if constexpr (f + 1 < F::kUnits) multiply_unit<F, M, T, f + 1>(block, q, sum);
}

// Four rows of one block, or of two: a of the first and b of the second side by side, rows 0, 1 in
// one vector and 2, 3 in another, each a row of 8 bytes.
template <class F, class M, int T>
inline void multiply_bytes(uint8x16_t a, [[maybe_unused]] uint8x16_t b, const int8_t* q,
                           typename M::template Sum<T>& sum) {
  if constexpr (M::kBlocks == 1) {
    const typename F::Block block[1] = {F::load(a)};
    multiply_unit<F, M, T, 0>(block, q, sum);
  } else {
    const uint32x4_t a32 = vreinterpretq_u32_u8(a), b32 = vreinterpretq_u32_u8(b);
    const typename F::Block block[2] = {F::load(vreinterpretq_u8_u32(vzip1q_u32(a32, b32))),
                                        F::load(vreinterpretq_u8_u32(vzip2q_u32(a32, b32)))};
    multiply_unit<F, M, T, 0>(block, q, sum);
  }
}

// The same for the Q quads of a line at a, and at b, which share the inputs.
template <class F, class M, int Q, int T>
inline void multiply_line(const uint8_t* a, const uint8_t* b, const int8_t* q,
                          typename M::template Sum<T> (&sum)[Q]) {
#pragma GCC unroll 4
  for (int h = 0; h < Q; ++h) {
    asm("" : "+r"(q));  // inputs are read again for each quad: kept, they would push out sums
    multiply_bytes<F, M, T>(vld1q_u8(a + h * 16), vld1q_u8(b + h * 16), q, sum[h]);
  }
}

// acc [Q][T][4] += `blocks` blocks at w, of Q quads of a panel, by their inputs q. A function of
// its own, because GCC gives the float sums of its caller the registers that the loop needs.
template <class F, class M, int Q, int T>
[[gnu::noinline]] void multiply_blocks(const uint8_t* w, size_t blocks, const int8_t* q,
                                       int32_t* acc) {
  constexpr size_t kBytes = block_bytes(F::kType), kInputs = F::kUnits * T * 4;  // of a block
  constexpr size_t kBlocksPerSum = M::template kUnits<F> / F::kUnits;
  static_assert(kBlocksPerSum > 0 && kBlocksPerSum % (is_sparse(F::kType) ? 1 : M::kBlocks) == 0);
  for (size_t b = 0; b < blocks;) {
    typename M::template Sum<T> sum[Q];
#pragma GCC unroll 4
    for (int h = 0; h < Q; ++h) M::template clear<T>(sum[h]);
    const size_t end = std::min(b + kBlocksPerSum, blocks);
    if constexpr (is_sparse(F::kType)) {
      const typename F::Fields fields;
      for (; b < end; ++b) {
        const uint8_t* block = w + b * kBytes;
        uint8_t steps[kSteps][Q * 16];
        for (size_t h = 0; h < Q; ++h)
          unfold(fields, typename F::Fields::Block(block + h * 16), Q * 16, steps[0] + h * 16);
#pragma GCC unroll 1
        for (size_t s = 0; s < kSteps; s += M::kBlocks, q += M::kBlocks * T2::kUnits * T * 4)
          multiply_line<T2, M, Q, T>(steps[s], steps[s + M::kBlocks - 1], q, sum);
      }
    } else {
      for (; b < end; b += M::kBlocks, q += M::kBlocks * kInputs) {
        // The last of an odd number of blocks lies beside itself, and beside inputs of zero.
        const size_t second = std::min(b + M::kBlocks, blocks) - 1;
        multiply_line<F, M, Q, T>(w + b * kBytes, w + second * kBytes, q, sum);
      }
    }
#pragma GCC unroll 4
    for (int h = 0; h < Q; ++h) M::template widen<T>(sum[h], acc + h * T * 4);
  }
}

// sum [Q][T] = or += acc * s_g: fp16 scales of group g, zero for rows beyond the matrix.
template <int Q, int T>
inline void scale_group(const IntCall& c, size_t row0, size_t g, const int32_t* acc,
                        float32x4_t (&sum)[Q][T]) {
  for (size_t h = 0; h < Q; ++h) {
    const size_t first = row0 + h * 4;
    const size_t rows = first < c.m1 ? std::min<size_t>(4, c.m1 - first) : 0;
    uint16_t s[4] = {};
    for (size_t i = 0; i < rows; ++i) s[i] = c.w.scale[(first + i) * c.s.groups + g];
    const float32x4_t s_w = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(s)));
    for (size_t t = 0; t < T; ++t) {
      const float32x4_t part = vmulq_f32(vcvtq_f32_s32(vld1q_s32(acc + (h * T + t) * 4)), s_w);
      sum[h][t] = g == 0 ? part : vaddq_f32(sum[h][t], part);
    }
  }
}

// y = sum * s_a (+ bias) for the rows and tokens there are.
template <int Q, int T>
inline void store(const IntCall& c, size_t row0, size_t tile, const float32x4_t (&sum)[Q][T]) {
  const float* s_a = reinterpret_cast<const float*>(c.scratch) + tile * T;
  const size_t tokens = std::min<size_t>(T, c.n - tile * T);
  for (size_t h = 0; h < Q && row0 + h * 4 < c.m1; ++h) {
    const size_t row = row0 + h * 4, rows = c.m1 - row;
    for (size_t t = 0; t < tokens; ++t) {
      const float32x4_t v = vmulq_n_f32(sum[h][t], s_a[t]);
      store_rows(v, c.bias == nullptr ? nullptr : c.bias + row, rows,
                 c.y + (tile * T + t) * c.ldy + row);
    }
  }
}

template <class F, class M, int Q, int T>
void int_tile_rows(const IntCall& c, const uint8_t* panel, size_t row0, size_t tile) {
  const auto* q = reinterpret_cast<const int8_t*>(c.scratch + c.s.q_at + tile * c.s.tile_bytes());
  const auto* base =
      reinterpret_cast<const int32_t*>(c.scratch + c.s.base_at) + tile * c.s.groups * T;
  float32x4_t sum[Q][T];
  for (size_t g = 0; g < c.s.groups; ++g, base += T) {
    const GroupSpan span = c.s.span(g);
    int32_t acc[Q * T * 4];
    for (size_t i = 0; i < Q * T; ++i) vst1q_s32(acc + i * 4, vdupq_n_s32(base[i % T]));
    multiply_blocks<F, M, Q, T>(panel + span.block * block_bytes(F::kType), span.blocks, q, acc);
    q += c.s.units_of(span) * T * 4;
    scale_group<Q, T>(c, row0, g, acc, sum);
  }
  store<Q, T>(c, row0, tile, sum);
}

// One token takes a panel at once, several half: up to 16 registers of sums.
template <class F, class M, int T>
void int_all(const IntCall& c, size_t m0) {
  constexpr int kQuads = T == 1 ? 4 : 2;
  for (; m0 < c.m1; m0 += kPanelRows)
    for (size_t quad = 0; quad < 4 && m0 + quad * 4 < c.m1; quad += kQuads)
      for (size_t tile = 0; tile < c.s.tiles; ++tile) {
        const uint8_t* w = reinterpret_cast<const uint8_t*>(c.w.data.data()) +
                           m0 / kPanelRows * c.panel_bytes + quad * 16;
        int_tile_rows<F, M, kQuads, T>(c, w, m0 + quad * 4, tile);
      }
}

template <class F, class M, int... tiles>
void int_tiles(const IntCall& c, size_t m0, std::integer_sequence<int, tiles...>) {
  static_cast<void>(((c.s.tile == tiles && (int_all<F, M, tiles>(c, m0), true)) || ...));
}

template <class F, class M>
void int_run(const WeightView& w, const float* bias, const std::byte* scratch, size_t n, size_t m0,
             size_t m1, float* y, size_t ldy) noexcept {
  const IntScratch s = int_layout<F, M>(w, n);
  const IntCall call{w, s, bias, scratch, n, m1, y, ldy, weight_bytes(F::kType, kPanelRows, w.k)};
  int_tiles<F, M>(call, m0, typename M::Tiles{});
}

template <class F, class M>
constexpr LinearKernels kInt = {M::tile, int_scratch<F, M>, int_prepare<F, M>, int_run<F, M>};

// The table of an integer type.
template <class M>
const LinearKernels* int_kernels(Type type) noexcept {
  switch (type) {
    case Type::i8:
      return &kInt<I8, M>;
    case Type::t2:
      return &kInt<T2, M>;
    case Type::t5:
      return &kInt<T5, M>;
    case Type::t34:
      return &kInt<T34, M>;
    case Type::t14:
      return &kInt<T14, M>;
    default:
      return nullptr;
  }
}

}  // namespace
}  // namespace sterna::quant::neon
