#pragma once

// bf16 and f32 on AVX-512. Included by kernels_avx512.cpp and kernels_amx.cpp, inside their target
// regions.

namespace sterna::quant::avx512 {

// ---- bf16. Activations [tiles][units][tile] dwords of two bfloat16 inputs, as one unit is 2
// inputs of 16 rows. A sum runs over the inputs in order whatever the tile: a token's result does
// not depend on its company.

// 16 floats -> bfloat16, round to nearest even, NaN stays NaN.
inline __m256i to_bf16(__m512 v) {
  const __m512i bits = _mm512_castps_si512(v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_mask_mov_epi32(up, nan, quiet), 16));
}

struct Bf16Dot {  // two products and the sum in one instruction; subnormals count as zero
  static __m256i round(__m512 v) {
    __m256i out;
    asm("vcvtneps2bf16 %1, %0" : "=v"(out) : "v"(v));
    return out;
  }
  static __m512 dot(__m512 acc, __m512i w, __m512i x) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(acc) : "v"(w), "v"(x));
    return acc;
  }
};

struct Bf16Fma {
  static __m256i round(__m512 v) { return to_bf16(v); }
  static __m512 low(__m512i v) { return _mm512_castsi512_ps(_mm512_slli_epi32(v, 16)); }
  static __m512 high(__m512i v) {
    return _mm512_castsi512_ps(_mm512_and_si512(v, _mm512_set1_epi32(-65536)));
  }
  static __m512 dot(__m512 acc, __m512i w, __m512i x) {
    return _mm512_fmadd_ps(high(w), high(x), _mm512_fmadd_ps(low(w), low(x), acc));
  }
};

inline size_t bf16_tile(size_t n) noexcept { return best_tile(n, 6, 8); }

inline size_t bf16_units(const WeightView& w) { return (w.k + 1) / 2; }

inline size_t bf16_scratch(const WeightView& w, size_t n) noexcept {
  const size_t tile = bf16_tile(n);
  return (n + tile - 1) / tile * tile * bf16_units(w) * 4;
}

// Eight units of N tokens of a tile, which lie side by side: unit u goes to out[u * stride].
template <size_t N>
inline void store_pairs(const __m256i (&pairs)[N], std::byte* out, size_t stride, size_t count) {
  __m128i low[N], high[N];
#pragma GCC unroll 4
  for (size_t t = 0; t < N; ++t) {
    low[t] = _mm256_castsi256_si128(pairs[t]);
    high[t] = _mm256_extracti128_si256(pairs[t], 1);
  }
  store_units(low, out, stride, std::min<size_t>(4, count));
  if (count > 4) store_units(high, out + 4 * stride, stride, count - 4);
}

// N tokens at x, rows `ldx` apart, of k inputs.
template <class D, size_t N>
inline void round_tokens(const float* x, size_t ldx, size_t k, std::byte* out, size_t stride) {
  for (size_t c = 0; c < k; c += 16) {
    __m256i pairs[N];
#pragma GCC unroll 4
    for (size_t t = 0; t < N; ++t)
      pairs[t] = D::round(_mm512_maskz_loadu_ps(tail_mask(k - c), x + t * ldx + c));
    store_pairs(pairs, out + c / 2 * stride, stride, std::min<size_t>(8, (k - c + 1) / 2));
  }
}

// Inputs [k0, k1) of x [n, k1 - k0].
template <class D>
void bf16_prepare_inputs(const WeightView& w, const float* x, size_t ldx, size_t n, size_t n0,
                         size_t n1, size_t k0, size_t k1, std::byte* scratch) noexcept {
  const size_t tile = bf16_tile(n), units = bf16_units(w), stride = tile * 4;
  const size_t k = k1 - k0, count = (k + 1) / 2;
  for (size_t i = n0 / tile; i * tile < n1; ++i) {
    std::byte* const out = scratch + (i * units + k0 / 2) * stride;
    const size_t tokens = std::min(tile, n - i * tile);
    const float* const rows = x + i * tile * ldx;
    size_t t = 0;
    for (; t + 4 <= tokens; t += 4) round_tokens<D, 4>(rows + t * ldx, ldx, k, out + t * 4, stride);
    for (; t < tokens; ++t) round_tokens<D, 1>(rows + t * ldx, ldx, k, out + t * 4, stride);
    for (; t < tile; ++t)
      for (size_t u = 0; u < count; ++u) std::memset(out + u * stride + t * 4, 0, 4);
  }
}

template <class D>
void bf16_prepare(const WeightView& w, const float* x, size_t ldx, size_t n, size_t n0, size_t n1,
                  std::byte* scratch) noexcept {
  bf16_prepare_inputs<D>(w, x, ldx, n, n0, n1, 0, w.k, scratch);
}

inline constexpr size_t kAhead = 5120;  // bytes, of weights from memory

struct FloatCall {
  const WeightView& w;
  const float* bias;
  const std::byte* scratch;
  size_t n, m1;
  float* y;
  size_t ldy;
};

// The only tile asks memory for what it needs next, of several each asks for one of the R panels
// that come after these, so that memory has all their time.
template <class D, int R, int T>
void bf16_tile_rows(const FloatCall& c, size_t row0, size_t tile) {
  const size_t units = bf16_units(c.w), panel_bytes = units * kLineBytes;
  const std::byte* w = c.w.data.data() + row0 / kPanelRows * panel_bytes;
  const auto* x = reinterpret_cast<const int32_t*>(c.scratch) + tile * T * units;
  __m512 acc[R][T];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t) acc[r][t] = _mm512_setzero_ps();
  }
  const bool alone = c.n <= T;
  const size_t tokens = std::min<size_t>(T, c.n - tile * T);
  if (!alone) prefetch_outputs<R>(c.y + tile * T * c.ldy + row0, c.ldy, tokens);
  const size_t ahead = alone ? kAhead : tile < R ? (R + tile) * panel_bytes : 0;
  for (const std::byte* end = w + panel_bytes; w != end; w += kLineBytes, x += T) {
    _mm_prefetch(reinterpret_cast<const char*>(w + ahead), _MM_HINT_T0);
    for (size_t r = 1; alone && r < R; ++r)
      _mm_prefetch(reinterpret_cast<const char*>(w + r * panel_bytes + ahead), _MM_HINT_T0);
    __m512i block[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
      block[r] = _mm512_loadu_si512(w + static_cast<size_t>(r) * panel_bytes);
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t) {
      const __m512i a = _mm512_set1_epi32(x[t]);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) acc[r][t] = D::dot(acc[r][t], block[r], a);
    }
  }
#pragma GCC unroll 4
  for (size_t r = 0; r < R; ++r) {
    const size_t row = row0 + r * kPanelRows;
    const __mmask16 rows = tail_mask(c.m1 - row);
    const __m512 bias =
        c.bias == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(rows, c.bias + row);
    float* y = c.y + tile * T * c.ldy + row;
#pragma GCC unroll 16
    for (size_t t = 0; t < T; ++t) {
      if (t >= tokens) break;
      const __m512 v = c.bias == nullptr ? acc[r][t] : _mm512_add_ps(acc[r][t], bias);
      _mm512_mask_storeu_ps(y + t * c.ldy, rows, v);
    }
  }
}

template <class D, int R, int T>
size_t bf16_rows(const FloatCall& c, size_t m0, size_t tiles) {
  for (; m0 + (R - 1) * kPanelRows < c.m1; m0 += R * kPanelRows)
    for (size_t tile = 0; tile < tiles; ++tile) bf16_tile_rows<D, R, T>(c, m0, tile);
  return m0;
}

template <class D, int T>
void bf16_all(const FloatCall& c, size_t m0) {
  const size_t tiles = (c.n + T - 1) / T;
  m0 = bf16_rows<D, T <= 6 ? 4 : 3, T>(c, m0, tiles);
  m0 = bf16_rows<D, 2, T>(c, m0, tiles);
  bf16_rows<D, 1, T>(c, m0, tiles);
}

template <class D>
void bf16_run(const WeightView& w, const float* bias, const std::byte* scratch, size_t n, size_t m0,
              size_t m1, float* y, size_t ldy) noexcept {
  using Run = void (*)(const FloatCall&, size_t);
  static constexpr Run by_tile[] = {bf16_all<D, 1>, bf16_all<D, 2>, bf16_all<D, 3>, bf16_all<D, 4>,
                                    bf16_all<D, 5>, bf16_all<D, 6>, bf16_all<D, 7>, bf16_all<D, 8>};
  if (n != 0) by_tile[bf16_tile(n) - 1]({w, bias, scratch, n, m1, y, ldy}, m0);
}

// ---- f32. W is row-major, so inputs lie along the register: R rows times T tokens are R * T = 16
// sums of 16 lanes, added up at the end all together. Scratch: x [n, k] with rows padded by zeros
// to whole registers. The order of a sum does not depend on R and T.

inline size_t f32_tile(size_t) noexcept { return 1; }
inline size_t f32_stride(const WeightView& w) { return (w.k + 15) / 16 * 16; }
inline size_t f32_scratch(const WeightView& w, size_t n) noexcept {
  return n * f32_stride(w) * sizeof(float);
}

inline void f32_prepare(const WeightView& w, const float* x, size_t ldx, size_t, size_t n0,
                        size_t n1, std::byte* scratch) noexcept {
  const size_t stride = f32_stride(w);
  for (size_t t = n0; t < n1; ++t) {
    float* out = reinterpret_cast<float*>(scratch) + t * stride;
    for (size_t c = 0; c < stride; c += 16)
      _mm512_storeu_ps(out + c, _mm512_maskz_loadu_ps(tail_mask(w.k - c), x + t * ldx + c));
  }
}

// Lane i of the result = sum of the lanes of v[i], by halves.
inline __m512 sum_lanes(const __m512 (&v)[16]) {
  __m512 a[8], b[4];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {  // v[2i], v[2i+1]: pairs of lanes
    const __m512 lo = _mm512_unpacklo_ps(v[2 * i], v[2 * i + 1]);
    const __m512 hi = _mm512_unpackhi_ps(v[2 * i], v[2 * i + 1]);
    a[i] = _mm512_add_ps(lo, hi);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {  // four sums in each 128-bit lane
    const __m512d x = _mm512_castps_pd(a[2 * i]), y = _mm512_castps_pd(a[2 * i + 1]);
    b[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)),
                         _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
  }
  const __m512 c0 =
      _mm512_add_ps(_mm512_shuffle_f32x4(b[0], b[1], 0x88), _mm512_shuffle_f32x4(b[0], b[1], 0xdd));
  const __m512 c1 =
      _mm512_add_ps(_mm512_shuffle_f32x4(b[2], b[3], 0x88), _mm512_shuffle_f32x4(b[2], b[3], 0xdd));
  return _mm512_add_ps(_mm512_shuffle_f32x4(c0, c1, 0x88), _mm512_shuffle_f32x4(c0, c1, 0xdd));
}

// Rows row0 .. (R of them, those beyond m1 repeat the last) by tokens t0 .. (T, likewise).
template <int R, int T>
void f32_tile_rows(const FloatCall& c, size_t row0, size_t t0) {
  static_assert(R * T == 16);
  const size_t k = c.w.k, stride = f32_stride(c.w);
  const auto* weights = reinterpret_cast<const float*>(c.w.data.data());
  const auto* inputs = reinterpret_cast<const float*>(c.scratch);
  const size_t rows = std::min<size_t>(R, c.m1 - row0), tokens = std::min<size_t>(T, c.n - t0);
  const float *w[R], *x[T];
  for (size_t r = 0; r < R; ++r) w[r] = weights + (row0 + std::min(r, rows - 1)) * k;
  for (size_t t = 0; t < T; ++t) x[t] = inputs + (t0 + std::min(t, tokens - 1)) * stride;
  __m512 acc[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) acc[i] = _mm512_setzero_ps();
  for (size_t i = 0; i < k; i += 16) {
    const __mmask16 mask = tail_mask(k - i);
    __m512 v[T];
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t) v[t] = _mm512_loadu_ps(x[t] + i);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const __m512 row = _mm512_maskz_loadu_ps(mask, w[r] + i);
#pragma GCC unroll 16
      for (int t = 0; t < T; ++t) acc[t * R + r] = _mm512_fmadd_ps(row, v[t], acc[t * R + r]);
    }
  }
  alignas(64) float out[16];
  _mm512_store_ps(out, sum_lanes(acc));
  for (size_t t = 0; t < tokens; ++t)
    for (size_t r = 0; r < rows; ++r)
      c.y[(t0 + t) * c.ldy + row0 + r] =
          c.bias == nullptr ? out[t * R + r] : out[t * R + r] + c.bias[row0 + r];
}

template <int R, int T>
void f32_all(const FloatCall& c, size_t m0) {
  for (; m0 < c.m1; m0 += R)
    for (size_t t = 0; t < c.n; t += T) f32_tile_rows<R, T>(c, m0, t);
}

inline void f32_run(const WeightView& w, const float* bias, const std::byte* scratch, size_t n,
                    size_t m0, size_t m1, float* y, size_t ldy) noexcept {
  const FloatCall call{w, bias, scratch, n, m1, y, ldy};
  if (n == 1) return f32_all<16, 1>(call, m0);
  if (n == 2) return f32_all<8, 2>(call, m0);
  f32_all<4, 4>(call, m0);
}

}  // namespace sterna::quant::avx512
