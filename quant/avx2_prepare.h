#pragma once

// Activations -> int8 or int16 tiles. Included by kernels_avx2.cpp alone, inside its target region.

namespace sterna::quant::avx2 {

// Lanes below `count`.
inline __m256i tail_mask(size_t count) {
  static constexpr int32_t lanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
  const size_t live = std::min<size_t>(count, 8);
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lanes + 8 - live));
}

inline uint32_t row_top(const float* x, size_t k) {
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  __m256i top = _mm256_setzero_si256();
  for (size_t c = 0; c < k; c += 8) {
    const __m256 v = _mm256_maskload_ps(x + c, tail_mask(k - c));
    top = _mm256_max_epu32(top, _mm256_and_si256(_mm256_castps_si256(v), magnitude));
  }
  alignas(32) uint32_t lanes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), top);
  return *std::max_element(lanes, lanes + 8);
}

inline int32_t sum_lanes(__m256i v) {
  alignas(32) int32_t lanes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), v);
  int32_t sum = 0;
  for (int32_t lane : lanes) sum += lane;
  return sum;
}

// `count` inputs of one token, which are one group; returns the sum of q. Unit u goes to
// out[u * stride].
template <class Q>
int32_t quantise_group(const float* x, size_t count, float to_int, Q* out, size_t stride) {
  const __m256 scale = _mm256_set1_ps(to_int);
  const __m256i low = _mm256_set1_epi32(-127), high = _mm256_set1_epi32(127);
  __m256i sum = _mm256_setzero_si256();
  for (size_t c = 0; c < count; c += 8, out += 2 * stride) {
    const __m256 v = _mm256_maskload_ps(x + c, tail_mask(count - c));
    __m256i q = _mm256_cvtps_epi32(_mm256_mul_ps(v, scale));
    q = _mm256_max_epi32(_mm256_min_epi32(q, high), low);
    sum = _mm256_add_epi32(sum, q);
    const __m128i words =
        _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
    alignas(16) Q both[16 / sizeof(Q)];  // two units
    _mm_store_si128(reinterpret_cast<__m128i*>(both),
                    sizeof(Q) == 2 ? words : _mm_packs_epi16(words, words));
    std::memcpy(out, both, 4 * sizeof(Q));
    if (c + 4 < count) std::memcpy(out + stride, both + 4, 4 * sizeof(Q));
  }
  return sum_lanes(sum);
}

template <class Q>
void zero_units(Q* out, size_t stride, size_t count) {
  for (size_t i = 0; i < count; ++i) std::memset(out + i * stride, 0, 4 * sizeof(Q));
}

// One token: q at out, base[group * tile].
template <class Q>
void quantise_token(const WeightView& w, const IntScratch& s, const float* x, float to_int, Q* out,
                    int32_t* base) {
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

template <class F>
size_t int_tile(size_t n) noexcept {
  return n <= F::kMostAlone ? std::max<size_t>(n, 1) : best_tile(n, F::kLeastTile, F::kMostTile);
}

template <class F>
size_t int_scratch(const WeightView& w, size_t n) noexcept {
  return IntScratch(w, n, int_tile<F>(n), sizeof(typename F::Q)).bytes;
}

template <class F>
void int_prepare(const WeightView& w, const float* x, size_t ldx, size_t n, size_t n0, size_t n1,
                 std::byte* scratch) noexcept {
  using Q = typename F::Q;
  const IntScratch s(w, n, int_tile<F>(n), sizeof(Q));
  auto* scale = reinterpret_cast<float*>(scratch);
  auto* base = reinterpret_cast<int32_t*>(scratch + s.base_at);
  for (size_t i = n0 / s.tile; i * s.tile < n1; ++i) {
    auto* q = reinterpret_cast<Q*>(scratch + s.q_at + i * s.tile_bytes());
    for (size_t t = 0; t < s.tile; ++t) {
      int32_t* token_base = base + i * s.groups * s.tile + t;
      const size_t token = i * s.tile + t;
      TokenScale ts{0, 0};
      if (token < n) ts = token_scale(row_top(x + token * ldx, w.k));
      scale[token] = ts.to_real;
      if (ts.to_int == 0) {  // zero, not finite, or not there
        for (size_t g = 0; g < s.groups; ++g) token_base[g * s.tile] = 0;
        zero_units(q + t * 4, s.tile * 4, s.units);
      } else {
        quantise_token(w, s, x + token * ldx, ts.to_int, q + t * 4, token_base);
      }
    }
  }
}

}  // namespace sterna::quant::avx2
