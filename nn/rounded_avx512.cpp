#include "rounded.h"

#if defined(__x86_64__)
#include <sterna/quant/target.h>

#include <algorithm>
#include <limits>

STERNA_TARGET("avx512f,avx512bw,avx512vl,avx512dq,fma")

namespace sterna::nn {

namespace {

using quant::avx512::tail_mask;

constexpr size_t kLanes = 16;

// 2^t within 2^-13.7 of it: t = n + r, |r| <= 1/2, and a cubic in r (Lawson's weighted least
// squares). Infinity above 128, 0 below -150.
__m512 exp2(__m512 t) {
  const __m512 n = _mm512_roundscale_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 r = _mm512_sub_ps(t, n);
  __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(0.05517167F), r, _mm512_set1_ps(0.24261114F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.69326097F));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.99992806F));
  return _mm512_scalef_ps(p, n);
}

constexpr float kLog2e = 1.44269504F;

// x sigmoid(x (a + b s + c s^2)), s = min(x^2, kMost).
struct Gate {
  float a, b = 0, c = 0;
};
// The logit of the normal distribution, log(Phi(x) / Phi(-x)): x Phi(x) within 2.6e-5, and what is
// beyond kMost within 1e-7 of 0 or x.
constexpr Gate kGelu{1.595016F, 0.07401132F, -0.000703038F};
constexpr Gate kGeluTanh{1.59576912F, 1.59576912F * 0.044715F};
constexpr Gate kQuickGelu{1.702F};
constexpr Gate kSilu{1};
constexpr float kMost = 30;

template <const Gate& g>
__m512 gated(__m512 x) {
  __m512 z = _mm512_set1_ps(-kLog2e * g.a);
  if constexpr (g.b != 0) {
    const __m512 s = _mm512_min_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(kMost));
    __m512 rest = _mm512_set1_ps(-kLog2e * g.b);
    if constexpr (g.c != 0) rest = _mm512_fmadd_ps(_mm512_set1_ps(-kLog2e * g.c), s, rest);
    z = _mm512_fmadd_ps(rest, s, z);
  }
  const __m512 e = exp2(_mm512_mul_ps(x, z));
  return _mm512_mul_ps(x, _mm512_rcp14_ps(_mm512_add_ps(_mm512_set1_ps(1), e)));
}

template <const Gate& g>
void gate(const float* x, size_t n, float* y) noexcept {
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) _mm512_storeu_ps(y + i, gated<g>(_mm512_loadu_ps(x + i)));
  if (i == n) return;
  const __mmask16 left = tail_mask(n - i);
  _mm512_mask_storeu_ps(y + i, left, gated<g>(_mm512_maskz_loadu_ps(left, x + i)));
}

float weigh(const float* x, size_t n, float scale, float* top, float* y) noexcept {
  const __m512 lowest = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
  const size_t whole = n / kLanes * kLanes;
  const __mmask16 left = n == whole ? __mmask16{0} : tail_mask(n - whole);
  __m512 most = _mm512_mask_loadu_ps(lowest, left, x + (left != 0 ? whole : 0));
  for (size_t i = 0; i < whole; i += kLanes) most = _mm512_max_ps(most, _mm512_loadu_ps(x + i));
  *top = std::max(*top, scale * _mm512_reduce_max_ps(most));
  const __m512 f = _mm512_set1_ps(scale * kLog2e), down = _mm512_set1_ps(*top * kLog2e);
  __m512 total = _mm512_setzero_ps();
  for (size_t i = 0; i < whole; i += kLanes) {
    const __m512 e = exp2(_mm512_fmsub_ps(_mm512_loadu_ps(x + i), f, down));
    total = _mm512_add_ps(total, e);
    _mm512_storeu_ps(y + i, e);
  }
  if (left != 0) {
    const __m512 e = exp2(_mm512_fmsub_ps(_mm512_maskz_loadu_ps(left, x + whole), f, down));
    total = _mm512_mask_add_ps(total, left, total, e);
    _mm512_mask_storeu_ps(y + whole, left, e);
  }
  return _mm512_reduce_add_ps(total);
}

constexpr RoundedKernels kKernels{gate<kGelu>, gate<kGeluTanh>, gate<kQuickGelu>, gate<kSilu>,
                                  weigh};

}  // namespace

}  // namespace sterna::nn

STERNA_TARGET_END
#endif  // __x86_64__

namespace sterna::nn {

const RoundedKernels* rounded_kernels([[maybe_unused]] quant::Isa isa) noexcept {
#if defined(__x86_64__)
  if (isa == quant::Isa::avx512 || isa == quant::Isa::amx) return &kKernels;
#endif
  return nullptr;
}

}  // namespace sterna::nn
