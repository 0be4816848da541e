// The body of every float kernel, included once per instruction set inside its namespace and
// target region, after that region's `Lanes`. Needs -ffp-contract=off: all fusing is written out.

/// Sum of 16 lanes by halves: the one order that all instruction sets share.
inline float sum(Lanes v) {
  float t[16];
  v.store(t);
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) t[i] += t[i + half];
  return t[0];
}

inline float largest(Lanes v) {
  float t[16];
  v.store(t);
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) t[i] = t[i] > t[i + half] ? t[i] : t[i + half];
  return t[0];
}

// Runs `body` over n elements: `v` holds x[i..i + left), other lanes = fill; left = 16 but at the
// end. A macro, because GCC 12 does not carry a target region into lambdas.
#define STERNA_EACH(x, n, fill, body)                   \
  do {                                                  \
    size_t i = 0;                                       \
    for (; i + 16 <= (n); i += 16) {                    \
      const Lanes v = Lanes::load((x) + i);             \
      constexpr size_t left = 16;                       \
      body;                                             \
    }                                                   \
    if (i < (n)) {                                      \
      const size_t left = (n)-i;                        \
      const Lanes v = Lanes::load((x) + i, left, fill); \
      body;                                             \
    }                                                   \
  } while (0)

inline void put(Lanes v, float* y, size_t left) {
  if (left == 16)
    v.store(y);
  else
    v.store(y, left);
}
inline Lanes get(const float* x, size_t left) {
  return left == 16 ? Lanes::load(x) : Lanes::load(x, left, 0.0f);
}

/// e^x within 1.1 ulp for x in [-87.3, 88]; 0 below, e^88 above, NaN -> 0.
/// x = n ln 2 + r, |r| <= 0.3466, e^r = 1 + r + r^2 q(r); q by Lawson's weighted least squares.
inline Lanes exp(Lanes x) {
  const Lanes lowest = Lanes::set(-87.3f);
  const Lanes c = min(max(x, lowest), Lanes::set(88.0f));
  const Lanes n = round(c * Lanes::set(1.44269504f));
  Lanes r = fma(n, Lanes::set(-0.693145752f), c);  // ln 2 to 15 bits: n times it is exact
  r = fma(n, Lanes::set(-1.42860677e-6f), r);
  Lanes q = Lanes::set(0.0013814598f);
  q = fma(q, r, Lanes::set(0.0083687175f));
  q = fma(q, r, Lanes::set(0.04166839f));
  q = fma(q, r, Lanes::set(0.16666521f));
  q = fma(q, r, Lanes::set(0.49999994f));
  const Lanes p = fma(r * r, q, r) + Lanes::set(1.0f);
  return less(lowest, x, p * pow2(n), Lanes::zero());
}

/// erf(x) within 2 ulp. |x| < 0.93: x + x p(x^2); above: 1 - e^(t r(t)), which reaches 1 at 3.92.
inline Lanes erf(Lanes x) {
  const Lanes t = min(abs(x), Lanes::set(4.0f));
  const Lanes s = x * x;
  Lanes p = Lanes::set(-0.0005953665f);
  p = fma(p, s, Lanes::set(0.0049859253f));
  p = fma(p, s, Lanes::set(-0.026761709f));
  p = fma(p, s, Lanes::set(0.112816826f));
  p = fma(p, s, Lanes::set(-0.3761248f));
  p = fma(p, s, Lanes::set(0.12837915f));
  Lanes r = Lanes::set(-1.1884501e-05f);
  r = fma(r, t, Lanes::set(0.00032929966f));
  r = fma(r, t, Lanes::set(-0.0036686854f));
  r = fma(r, t, Lanes::set(0.023817113f));
  r = fma(r, t, Lanes::set(-0.10630027f));
  r = fma(r, t, Lanes::set(-0.6351133f));
  r = fma(r, t, Lanes::set(-0.12865777f));
  r = fma(r, t, Lanes::zero() - t);
  const Lanes far = with_sign(Lanes::set(1.0f) - exp(r), x);
  return less(t, Lanes::set(0.93f), fma(p, x, x), far);
}

inline void layer_norm(const float* x, const float* gain, const float* bias, float eps, size_t n,
                       float* y) noexcept {
  Lanes total = Lanes::zero();
  STERNA_EACH(x, n, 0.0f, static_cast<void>(left); total = total + v);
  const float mean = sum(total) / static_cast<float>(n);
  const Lanes m = Lanes::set(mean);
  Lanes squares = Lanes::zero();  // second pass: no cancellation (fill = mean adds zero)
  STERNA_EACH(x, n, mean, static_cast<void>(left); const Lanes d = v - m;
              squares = fma(d, d, squares));
  const float variance = sum(squares) / static_cast<float>(n);
  const Lanes inverse = Lanes::set(1.0f / __builtin_sqrtf(variance + eps));
  STERNA_EACH(x, n, 0.0f, const Lanes u = (v - m) * inverse; const Lanes g = get(gain + i, left);
              put(bias ? fma(u, g, get(bias + i, left)) : u * g, y + i, left));
}

inline void rms_norm(const float* x, const float* gain, float eps, size_t n, float* y) noexcept {
  Lanes squares = Lanes::zero();
  STERNA_EACH(x, n, 0.0f, static_cast<void>(left); squares = fma(v, v, squares));
  const float mean = sum(squares) / static_cast<float>(n);
  const Lanes inverse = Lanes::set(1.0f / __builtin_sqrtf(mean + eps));
  STERNA_EACH(x, n, 0.0f, put(v * inverse * get(gain + i, left), y + i, left));
}

constexpr float kLowest = -std::numeric_limits<float>::infinity();

inline void softmax(const float* x, size_t n, float* y) noexcept {
  Lanes top = Lanes::set(kLowest);
  STERNA_EACH(x, n, kLowest, static_cast<void>(left); top = max(top, v));
  const Lanes m = Lanes::set(largest(top));
  Lanes total = Lanes::zero();
  STERNA_EACH(x, n, kLowest, const Lanes e = exp(v - m); total = total + e; put(e, y + i, left));
  const Lanes inverse = Lanes::set(1.0f / sum(total));
  STERNA_EACH(y, n, 0.0f, put(v * inverse, y + i, left));
}

inline float weigh(const float* x, size_t n, float scale, float* top, float* y) noexcept {
  const Lanes f = Lanes::set(scale);
  Lanes m = Lanes::set(*top);
  STERNA_EACH(x, n, kLowest, static_cast<void>(left); m = max(m, v * f));
  *top = largest(m);
  const Lanes h = Lanes::set(*top);
  Lanes total = Lanes::zero();
  STERNA_EACH(x, n, kLowest, const Lanes e = exp(v * f - h); total = total + e;
              put(e, y + i, left));
  return sum(total);
}

inline void gelu(const float* x, size_t n, float* y) noexcept {
  const Lanes half = Lanes::set(0.5f), root = Lanes::set(0.70710678f);
  STERNA_EACH(x, n, 0.0f, const Lanes h = v * half; put(fma(h, erf(v * root), h), y + i, left));
}

/// x sigmoid(z): every gate below is one of these.
inline Lanes gated(Lanes x, Lanes z) { return x / (Lanes::set(1.0f) + exp(Lanes::zero() - z)); }

/// x / 2 (1 + tanh u) = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3).
inline void gelu_tanh(const float* x, size_t n, float* y) noexcept {
  const Lanes cubic = Lanes::set(0.044715f), twice = Lanes::set(1.59576912f);
  STERNA_EACH(x, n, 0.0f, const Lanes u = fma(v * v, v * cubic, v);
              put(gated(v, u * twice), y + i, left));
}

inline void quick_gelu(const float* x, size_t n, float* y) noexcept {
  const Lanes slope = Lanes::set(1.702f);
  STERNA_EACH(x, n, 0.0f, put(gated(v, v * slope), y + i, left));
}

inline void silu(const float* x, size_t n, float* y) noexcept {
  STERNA_EACH(x, n, 0.0f, put(gated(v, v), y + i, left));
}

inline void relu(const float* x, size_t n, float* y) noexcept {
  STERNA_EACH(x, n, 0.0f, put(max(v, Lanes::zero()), y + i, left));
}

inline void multiply(const float* x, size_t n, float* y) noexcept {
  STERNA_EACH(x, n, 0.0f, put(get(y + i, left) * v, y + i, left));
}

inline void relu_squared(const float* x, size_t n, float* y) noexcept {
  STERNA_EACH(x, n, 0.0f, const Lanes u = max(v, Lanes::zero()); put(u * u, y + i, left));
}

inline void add(const float* x, size_t n, float* y) noexcept {
  STERNA_EACH(x, n, 0.0f, put(get(y + i, left) + v, y + i, left));
}

inline void int8_remainder(const float* x, size_t n, float* y) noexcept {
  Lanes top = Lanes::zero();
  STERNA_EACH(x, n, 0.0f, static_cast<void>(left); top = max(top, abs(v)));
  const float m = largest(top);
  const bool tiny = !(m >= 0x1p-100f);  // int8 keeps nothing; the remainder is as good as nothing
  const Lanes to_int = Lanes::set(tiny ? 0.0f : 127.0f / m);
  const Lanes step = Lanes::set(tiny ? 0.0f : m / 127.0f);
  STERNA_EACH(x, n, 0.0f, put(fma(Lanes::zero() - round(v * to_int), step, v), y + i, left));
}

inline float peak_power(const float* x, size_t n) noexcept {
  Lanes top = Lanes::zero(), power = Lanes::zero();
  STERNA_EACH(x, n, 0.0f, static_cast<void>(left); top = max(top, abs(v));
              power = fma(v, v, power));
  const float m = largest(top), all = sum(power);
  return all > 0.0f ? m * m / all * static_cast<float>(n) : 0.0f;
}

inline void exp_all(const float* x, size_t n, float* y) noexcept {
  STERNA_EACH(x, n, 0.0f, put(exp(v), y + i, left));
}

inline void erf_all(const float* x, size_t n, float* y) noexcept {
  STERNA_EACH(x, n, 0.0f, put(erf(v), y + i, left));
}

inline void pack_keys(const float* k, size_t ldk, size_t keys, size_t dim, float* kt) noexcept {
  for (size_t c0 = 0; c0 < keys; c0 += 16, kt += dim * 16)
    for (size_t c = 0; c < 16; ++c)
      for (size_t j = 0; j < dim; ++j)
        kt[j * 16 + c] = c0 + c < keys ? k[(c0 + c) * ldk + j] : 0.0f;
}

inline void pack_values(const float* v, size_t ldv, size_t keys, size_t dim, float* vp) noexcept {
  const size_t wide = (dim + 15) / 16 * 16, tall = (keys + 15) / 16 * 16;
  for (size_t c = 0; c < tall; ++c, vp += wide) {
    const size_t n = c < keys ? dim : 0;
    if (n > 0) std::memcpy(vp, v + c * ldv, n * sizeof(float));
    std::memset(vp + n, 0, (wide - n) * sizeof(float));
  }
}

constexpr size_t kRows = 6;    // query rows a tile: 12 AVX2 accumulators, one load, one broadcast
constexpr size_t kKeys = 256;  // keys a softmax step: 6 KiB of scores on the stack

/// acc[r] += sum_j a[r][j] b[j][0..16), rows of a `lda` apart, rows of b `ldb` apart.
template <size_t R>
inline void tile(const float* a, size_t lda, const float* b, size_t ldb, size_t n,
                 Lanes (&acc)[R]) {
  for (size_t j = 0; j < n; ++j) {
    const Lanes w = Lanes::load(b + j * ldb);
    for (size_t r = 0; r < R; ++r) acc[r] = fma(Lanes::set(a[r * lda + j]), w, acc[r]);
  }
}

/// Scores of keys that the query at position `at` does not see become -infinity.
inline void hide(const KeyMask& mask, uint32_t at, size_t first, size_t n, float* score) {
  const uint32_t low = at > mask.back ? at - mask.back : 0;
  const uint32_t high = mask.ahead < UINT32_MAX - at ? at + mask.ahead : UINT32_MAX;
  const uint32_t* key = mask.keys + first;
  for (size_t c = 0; c < n; ++c) score[c] = key[c] < low || key[c] > high ? kLowest : score[c];
  if (mask.hidden == nullptr) return;
  for (size_t c = 0; c < n; ++c) score[c] = mask.hidden[first + c] != 0 ? kLowest : score[c];
}

/// R queries against all keys: softmax over steps of kKeys with a running maximum (weigh()), so no
/// [rows, keys] matrix is stored.
template <size_t R>
inline void attend_rows(const float* q, size_t ldq, const float* kt, const float* vp, size_t keys,
                        size_t dim, float scale, const KeyMask* mask, size_t row, float* out,
                        size_t ldo) {
  const size_t wide = (dim + 15) / 16 * 16;
  alignas(64) float score[R * kKeys];
  alignas(64) float o[R * kMostHead];
  float top[R], total[R];
  for (size_t r = 0; r < R; ++r) top[r] = kLowest, total[r] = 0.0f;
  std::memset(o, 0, R * wide * sizeof(float));
  for (size_t c0 = 0; c0 < keys; c0 += kKeys) {
    const size_t n = keys - c0 < kKeys ? keys - c0 : kKeys;
    const size_t padded = (n + 15) / 16 * 16;
    for (size_t c = 0; c < padded; c += 16) {
      Lanes acc[R];
      for (size_t r = 0; r < R; ++r) acc[r] = Lanes::zero();
      tile<R>(q, ldq, kt + (c0 + c) * dim, 16, dim, acc);
      for (size_t r = 0; r < R; ++r) (acc[r] * Lanes::set(scale)).store(score + r * kKeys + c);
    }
    for (size_t r = 0; r < R; ++r) {
      float* s = score + r * kKeys;
      // A step of hidden keys alone gives -inf - -inf = NaN, of which exp makes the 0 it should be.
      if (mask != nullptr) hide(*mask, mask->queries[row + r], c0, n, s);
      const float before = top[r];
      const float step = weigh(s, n, 1.0f, &top[r], s);
      if (c0 > 0) {
        const Lanes shrink = exp(Lanes::set(before) - Lanes::set(top[r]));
        float f[16];
        shrink.store(f);
        total[r] *= f[0];
        float* row = o + r * wide;
        for (size_t j = 0; j < wide; j += 16) (Lanes::load(row + j) * shrink).store(row + j);
      }
      total[r] += step;
    }
    for (size_t j = 0; j < wide; j += 16) {
      Lanes acc[R];
      for (size_t r = 0; r < R; ++r) acc[r] = Lanes::load(o + r * wide + j);
      tile<R>(score, kKeys, vp + c0 * wide + j, wide, n, acc);
      for (size_t r = 0; r < R; ++r) acc[r].store(o + r * wide + j);
    }
  }
  for (size_t r = 0; r < R; ++r) {
    const Lanes inverse = Lanes::set(total[r] > 0.0f ? 1.0f / total[r] : 0.0f);
    STERNA_EACH(o + r * wide, dim, 0.0f, put(v * inverse, out + r * ldo + i, left));
  }
}

inline void attend(const float* q, size_t ldq, size_t rows, const float* kt, const float* vp,
                   size_t keys, size_t dim, float scale, const KeyMask* mask, float* out,
                   size_t ldo) noexcept {
  size_t r = 0;
  for (; r + kRows <= rows; r += kRows)
    attend_rows<kRows>(q + r * ldq, ldq, kt, vp, keys, dim, scale, mask, r, out + r * ldo, ldo);
  q += r * ldq, out += r * ldo;
  switch (rows - r) {
    case 1:
      return attend_rows<1>(q, ldq, kt, vp, keys, dim, scale, mask, r, out, ldo);
    case 2:
      return attend_rows<2>(q, ldq, kt, vp, keys, dim, scale, mask, r, out, ldo);
    case 3:
      return attend_rows<3>(q, ldq, kt, vp, keys, dim, scale, mask, r, out, ldo);
    case 4:
      return attend_rows<4>(q, ldq, kt, vp, keys, dim, scale, mask, r, out, ldo);
    case 5:
      return attend_rows<5>(q, ldq, kt, vp, keys, dim, scale, mask, r, out, ldo);
    default:
      return;
  }
}

#undef STERNA_EACH

const Kernels kKernels = {
    layer_norm, rms_norm,   softmax,      weigh,     gelu,     gelu_tanh,      quick_gelu,
    silu,       relu,       relu_squared, add,       multiply, int8_remainder, peak_power,
    exp_all,    erf_all,    pack_keys,    pack_values, attend,
};
