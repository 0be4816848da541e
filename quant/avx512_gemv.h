#pragma once

// One token against weights with one scale a row, on AVX-512, and the choice between that and
// tiles. Included by kernels_avx512.cpp alone, inside its target region.
//
// The weights stream from memory once and decide the time, so there is little work a byte: each
// unit has sums of its own and keeps its field where it lies in the byte (`scaled_unit`); the sums
// are divided at the end, exactly, because every product is a multiple: by a shift, or by a number
// whose inverse modulo 2^32 they are multiplied with. |sum| <= 192 * 127 * kMaxInputs / 4 < 2^31. R
// panels share the broadcast inputs; they lie `apart` bytes apart, each the head of a run of
// panels, so that every run is read from end to end in order.

namespace sterna::quant::avx512 {

// How a format multiplies one block of R panels (w, `apart`) by its inputs at q. A Dot has
//   kSums, kShift    sums a panel and how far each is shifted up
//   kInverse         may be there: what divides them by what else they are multiples of
//   Tables, kType
//   inputs(c)        where its prepared inputs are; kStep bytes of them a block
//   base(c)          what the total starts from
//   block<R>(tables, w, apart, ahead, q, acc)

struct CommonDot {
  static const std::byte* inputs(const IntCall& c) { return c.scratch + c.s.q_at; }
  static int32_t base(const IntCall& c) {
    return *reinterpret_cast<const int32_t*>(c.scratch + c.s.base_at);
  }
};

template <class F, int R, int f>
inline void gemv_units(const typename F::Block (&block)[R], const int32_t* q,
                       __m512i (&acc)[R][std::size(F::kShift)]) {
  const __m512i a = _mm512_set1_epi32(q[f]);
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) acc[r][f] = dot(acc[r][f], F::template scaled_unit<f>(block[r]), a);
  if constexpr (f + 1 < F::kUnits) gemv_units<F, R, f + 1>(block, q, acc);
}

template <class F>
struct DenseDot : CommonDot {
  using Tables = typename F::Tables;
  static constexpr Type kType = F::kType;
  static constexpr int kPanels = F::kUnits == 1 ? 4 : 2, kSums = std::size(F::kShift);
  static constexpr size_t kStep = F::kUnits * 4;
  static constexpr const int (&kShift)[kSums] = F::kShift;
  template <int R>
  static void block(const Tables& tables, const uint8_t* w, size_t apart, size_t ahead,
                    const std::byte* q, __m512i (&acc)[R][kSums]) {
    typename F::Block block[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const uint8_t* p = w + static_cast<size_t>(r) * apart;
      prefetch_block<F>(p, ahead);
      block[r] = F::load(tables, p);
    }
    gemv_units<F, R, 0>(block, reinterpret_cast<const int32_t*>(q), acc);
  }
};

// Loads stay on their side: GCC 12 would take the lines of all panels first, and spill.
inline void one_after_the_other() { asm volatile("" : : : "memory"); }

// t34, and t14 without VBMI: steps as blocks of t2, one panel after the other, since the inputs are
// broadcast by the load ports, which have time.
template <class F>
struct FieldsDot : CommonDot {
  using Tables = typename F::Tables;
  static constexpr Type kType = F::kType;
  static constexpr int kPanels = 2, kSums = T2::kUnits;
  static constexpr size_t kStep = F::kUnits * 4;
  static constexpr const int (&kShift)[kSums] = T2::kShift;
  template <int s = 0>
  static void steps(const Tables& tables, const typename F::Block& block, const int32_t* q,
                    __m512i (&acc)[kSums]) {
    const T2::Block fields{F::template fields<s>(tables, block)};
    acc[0] = dot(acc[0], T2::scaled_unit<0>(fields), _mm512_set1_epi32(q[0]));
    acc[1] = dot(acc[1], T2::scaled_unit<1>(fields), _mm512_set1_epi32(q[1]));
    acc[2] = dot(acc[2], T2::scaled_unit<2>(fields), _mm512_set1_epi32(q[2]));
    acc[3] = dot(acc[3], T2::scaled_unit<3>(fields), _mm512_set1_epi32(q[3]));
    if constexpr (s + 1 < static_cast<int>(kSteps)) steps<s + 1>(tables, block, q + 4, acc);
  }
  template <int R>
  static void block(const Tables& tables, const uint8_t* w, size_t apart, size_t ahead,
                    const std::byte* q, __m512i (&acc)[R][kSums]) {
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const uint8_t* p = w + static_cast<size_t>(r) * apart;
      prefetch_block<F>(p, ahead);
      steps(tables, typename F::Block(p), reinterpret_cast<const int32_t*>(q), acc[r]);
      if constexpr (R > 1) one_after_the_other();
    }
  }
};

// t14 with VBMI: products by look-up (avx512_sparse.h). Even steps sum into one accumulator, odd
// ones into another.
struct LookUpDot {
  using F = T14Vbmi;
  struct Tables {
    __m512i ones;
    __m512i group[2];  // which of 8 groups byte j of a lane is, in an even and an odd step
    Tables()
        : ones(byte_set(1)), group{_mm512_set1_epi32(0x18100800), _mm512_set1_epi32(0x38302820)} {}
  };
  static constexpr Type kType = F::kType;
  static constexpr int kPanels = 2, kSums = 2, kShift[] = {0, 0};
  static constexpr size_t kStep = F::kUnits * 8;
  static const std::byte* inputs(const IntCall& c) { return c.scratch + c.s.bytes; }
  static int32_t base(const IntCall&) { return 0; }
  template <int s = 0>
  static void steps(const Tables& t, const F::Block& block, const std::byte* q,
                    __m512i (&acc)[kSums]) {
    const __m512i pair = block.pair<s>(), state = s % 2 == 0 ? pair : _mm512_srli_epi16(pair, 3);
    const __m512i products =
        look_up(choose(7, state, t.group[s % 2]), _mm512_loadu_si512(q + s / 2 * 64));
    acc[s % 2] = dot(acc[s % 2], t.ones, products);
    if constexpr (s + 1 < static_cast<int>(kSteps)) steps<s + 1>(t, block, q, acc);
  }
  template <int R>
  static void block(const Tables& tables, const uint8_t* w, size_t apart, size_t ahead,
                    const std::byte* q, __m512i (&acc)[R][kSums]) {
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const uint8_t* p = w + static_cast<size_t>(r) * apart;
      prefetch_block<F>(p, ahead);
      steps(tables, F::Block(p), q, acc[r]);
    }
  }
};

struct T5Dot : DenseDot<T5Vbmi> {
  static constexpr const int32_t (&kInverse)[kSums] = T5Vbmi::kInverse;
};

template <class F>
struct GemvOf {
  using Dot = DenseDot<F>;
};
template <>
struct GemvOf<T5Vbmi> {
  using Dot = T5Dot;
};
template <>
struct GemvOf<T34Vbmi> {
  using Dot = FieldsDot<T34Vbmi>;
};
template <>
struct GemvOf<T34Shuffle> {
  using Dot = FieldsDot<T34Shuffle>;
};
template <>
struct GemvOf<T14Vbmi> {
  using Dot = LookUpDot;
};
template <>
struct GemvOf<T14Shuffle> {
  using Dot = FieldsDot<T14Shuffle>;
};

template <class D>
inline __m512i settled(__m512i sum, int i) {
  sum = _mm512_srai_epi32(sum, static_cast<unsigned>(D::kShift[i]));
  if constexpr (requires { D::kInverse; }) {
    if (D::kInverse[i] != 1) sum = _mm512_mullo_epi32(sum, _mm512_set1_epi32(D::kInverse[i]));
  }
  return sum;
}

template <class D, int R>
void gemv_panels(const IntCall& c, size_t row0, size_t rows_apart) {
  constexpr int kSums = D::kSums;
  const typename D::Tables tables;
  const uint8_t* w =
      reinterpret_cast<const uint8_t*>(c.w.data.data()) + row0 / kPanelRows * c.panel_bytes;
  const std::byte* q = D::inputs(c);
  const size_t apart = rows_apart / kPanelRows * c.panel_bytes, ahead = c.tuning.ahead;
  __m512i acc[R][kSums];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int i = 0; i < kSums; ++i) acc[r][i] = _mm512_setzero_si512();
  }
  constexpr size_t kBytes = block_bytes(D::kType);
  for (const uint8_t* const end = w + c.panel_bytes; w != end; w += kBytes, q += D::kStep)
    D::template block<R>(tables, w, apart, ahead, q, acc);
  const __m512i base = _mm512_set1_epi32(D::base(c));
#pragma GCC unroll 4
  for (size_t r = 0; r < R; ++r) {
    const size_t row = row0 + r * rows_apart;
    __m512i total = base;
#pragma GCC unroll 8
    for (int i = 0; i < kSums; ++i)
      total = _mm512_add_epi32(total, settled<D>(acc[r][i], i));
    const __m512 s_w = row_scales(c.w.scale.data() + row, 1, c.m1 - row);
    const __m512 sum[1] = {_mm512_mul_ps(_mm512_cvtepi32_ps(total), s_w)};
    store_panel<1>(c, row, 0, sum);
  }
}

template <class F>
void gemv(const IntCall& c, size_t m0) {
  using D = typename GemvOf<F>::Dot;
  constexpr int R = D::kPanels;
  const size_t run = (c.m1 - m0) / kPanelRows / R * kPanelRows;  // rows of each of R runs
  for (size_t i = 0; i < run; i += kPanelRows) gemv_panels<D, R>(c, m0 + i, run);
  for (m0 += R * run; m0 < c.m1; m0 += kPanelRows) gemv_panels<D, 1>(c, m0, 0);
}

// Row blocks of R panels outside, token tiles inside: the weights of a block stay in cache.
template <class F, int R, int T>
size_t int_rows(const IntCall& c, size_t m0) {
  for (; m0 + (R - 1) * kPanelRows < c.m1; m0 += R * kPanelRows)
    for (size_t tile = 0; tile < c.s.tiles; ++tile) int_tile_rows<F, R, T>(c, m0, tile);
  return m0;
}

template <class F, int T>
void int_all(const IntCall& c, size_t m0) {
  if constexpr (T == 1) {
    if (c.w.group == 0) return gemv<F>(c, m0);
  } else {
    if (c.w.group == 0 && c.s.tiles > 1 && c.tuning.unfold_once) return gemm<F, T>(c, m0);
  }
  // More panels at once where no registers are taken by decoding.
  if constexpr (F::kUnits == 1 && T > 1) m0 = int_rows<F, T <= 6 ? 4 : 3, T>(c, m0);
  m0 = int_rows<F, 2, T>(c, m0);
  int_rows<F, 1, T>(c, m0);
}

template <class F, const Tuning& tuning>
void int_run(const WeightView& w, const float* bias, const std::byte* scratch, size_t n, size_t m0,
             size_t m1, float* y, size_t ldy) noexcept {
  using Run = void (*)(const IntCall&, size_t);
  static constexpr Run by_tile[] = {int_all<F, 1>, int_all<F, 2>, int_all<F, 3>, int_all<F, 4>,
                                    int_all<F, 5>, int_all<F, 6>, int_all<F, 7>, int_all<F, 8>};
  static_assert(std::size(by_tile) == kMostTile);
  const IntScratch s(w, n, int_tile(n), 1);
  const size_t panel_bytes = weight_bytes(F::kType, kPanelRows, w.k);
  const IntCall call{{w, s, bias, scratch, n, m1, y, ldy, panel_bytes}, tuning};
  if (n != 0) by_tile[s.tile - 1](call, m0);
}

}  // namespace sterna::quant::avx512
