#pragma once

// Integer weights on AVX-VNNI: CPUs with 256-bit dot products and no AVX-512. Included by
// kernels_avx2.cpp alone, inside its target region: the tiles and layouts are those of AVX2, the
// multiplication is `vpdpbusd` (written as assembly), which sums four products in 32 bits without
// saturating. So sums stay in registers over all of k (or a group), as on AVX-512, and i8 takes
// int8 inputs. |sum| <= 128 * 127 * kMaxInputs < 2^31 (formats.h).

namespace sterna::quant::avx2 {

// acc + codes (unsigned bytes) . q (signed bytes), in the encoding that needs no AVX-512.
inline __m256i dot(__m256i acc, __m256i codes, __m256i q) {
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(codes), "x"(q));
  return acc;
}

template <class Base>
struct Vnni : Base {
  static constexpr size_t kUnitsPerSum = kMaxInputs;
  // A sum waits five cycles for its last product, and two start in a cycle: ten sums or more.
  static constexpr size_t kLeastTile = 5, kMostTile = 6;
  static constexpr int kHalves = 2;
  static void multiply(__m256i (&acc)[1], const __m256i (&codes)[1], __m256i a) {
    acc[0] = dot(acc[0], codes[0], a);
  }
  static __m256i widen(const __m256i (&acc)[1]) { return acc[0]; }
};

// What one token takes: unit f goes to sum f mod size(kShift). Fields stay where they lie in the
// byte, in sums of their own that are shifted down at the end, exactly: |sum| <= 192 * 127 *
// kMaxInputs / 4 < 2^31. The codes of t5, which need no shift, share three sums: five a half had
// all ten spilled in every block (128 GOPS on a Zen 5, three 133, two 122: too few for the
// latency).
struct VnniT2 : Vnni<T2> {
  static constexpr int kShift[] = {0, 2, 4, 6};
  template <int f>
  static __m256i scaled_unit(const Block& b) {
    return _mm256_and_si256(b.bytes, byte_set(3 << 2 * f));
  }
};

struct VnniT5 : Vnni<T5> {
  static constexpr int kShift[] = {0, 0, 0};
  template <int f>
  static __m256i scaled_unit(const Block& b) {
    return b.code[f];
  }
};

struct VnniI8 : Vnni<Ternary> {
  static constexpr Type kType = Type::i8;
  static constexpr int kUnits = 1;
  struct Block {
    __m256i bytes;
  };
  static Block load(const uint8_t* p) { return {load_bytes(p)}; }
  template <int f>
  static void unit(const Block& b, __m256i (&codes)[1]) {
    codes[0] = b.bytes;
  }
  static constexpr int kShift[] = {0};
  template <int f>
  static __m256i scaled_unit(const Block& b) {
    return b.bytes;
  }
};

using VnniT34 = Sparse<T34Fields, VnniT2>;
using VnniT14 = Sparse<T14Fields, VnniT2>;

template <class F, int f = 0>
inline void gemv_units(const typename F::Block& block, const int8_t* q,
                       __m256i (&acc)[std::size(F::kShift)]) {
  __m256i& sum = acc[f % std::size(F::kShift)];
  sum = dot(sum, F::template scaled_unit<f>(block), F::inputs(q + 4 * f));
  if constexpr (f + 1 < F::kUnits) gemv_units<F, f + 1>(block, q, acc);
}

template <class F, int s = 0>
inline void gemv_steps(const typename F::Fields& fields, const typename F::Fields::Block& block,
                       const int8_t* q, __m256i (&acc)[4]) {
  gemv_units<VnniT2>({fields.template step<s>(block)}, q, acc);
  if constexpr (s + 1 < static_cast<int>(kSteps)) gemv_steps<F, s + 1>(fields, block, q + 16, acc);
}

template <class F>
inline void gemv_half_block(const uint8_t* w, const int8_t* q,
                            __m256i (&acc)[std::size(F::kShift)]) {
  if constexpr (is_sparse(F::kType)) {
    const typename F::Fields fields;
    gemv_steps<F>(fields, typename F::Fields::Block(w), q, acc);
  } else {
    gemv_units<F>(F::load(w), q, acc);
  }
}

// One panel times one token, one scale a row.
template <class F>
void gemv_panel(const IntCall& c, size_t row0) {
  constexpr size_t kBytes = block_bytes(F::kType), kSums = std::size(F::kShift);
  const uint8_t* w =
      reinterpret_cast<const uint8_t*>(c.w.data.data()) + row0 / kPanelRows * c.panel_bytes;
  const auto* q = reinterpret_cast<const int8_t*>(c.scratch + c.s.q_at);
  __m256i low[kSums], high[kSums];
#pragma GCC unroll 5
  for (size_t i = 0; i < kSums; ++i) low[i] = high[i] = _mm256_setzero_si256();
  for (const uint8_t* const end = w + c.panel_bytes; w != end; w += kBytes, q += F::kUnits * 4) {
    prefetch_block<F>(w);
    gemv_half_block<F>(w, q, low);
    gemv_half_block<F>(w + 32, q, high);
  }
  alignas(32) int32_t acc[2 * 8];
  start<F, 2, 1>(c, 0, 0, acc);
  auto* total = reinterpret_cast<__m256i*>(acc);
#pragma GCC unroll 5
  for (size_t i = 0; i < kSums; ++i) {
    total[0] = _mm256_add_epi32(total[0], _mm256_srai_epi32(low[i], F::kShift[i]));
    total[1] = _mm256_add_epi32(total[1], _mm256_srai_epi32(high[i], F::kShift[i]));
  }
  __m256 sum[2][1];
  scale_group<2, 1>(c, row0, 0, acc, sum);
  store<2, 1>(c, row0, 0, sum);
}

template <class F>
void vnni_run(const WeightView& w, const float* bias, const std::byte* scratch, size_t n, size_t m0,
              size_t m1, float* y, size_t ldy) noexcept {
  if (n != 1 || w.group != 0) return int_run<F>(w, bias, scratch, n, m0, m1, y, ldy);
  const IntScratch s(w, n, 1, 1);
  const IntCall call{w, s, bias, scratch, n, m1, y, ldy, weight_bytes(F::kType, kPanelRows, w.k)};
  for (; m0 < m1; m0 += kPanelRows) gemv_panel<F>(call, m0);
}

}  // namespace sterna::quant::avx2
