#include "kernels.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#include "activations.h"
#include "codes.h"
#include "int_scratch.h"
#include "sparse.h"

// Everything in the region below may use SDOT; it is entered only through neon_kernels(). GNU
// binutils accept the instruction from ARMv8.2 on only, where the compiler's default lies below.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#elif defined(__ARM_FEATURE_QRDMX)
#pragma GCC push_options
#pragma GCC target("+dotprod")
#else
#pragma GCC push_options
#pragma GCC target("arch=armv8.2-a+crypto+dotprod")
#endif

#include "neon_prepare.h"
#include "neon_sparse.h"
// in this order: tiles unfold sparse weights
#include "neon_int.h"

namespace sterna::quant::neon {
namespace {

// acc + codes . the four inputs of a token, which are lane `lane` of q. Assembly, because GCC 12
// copies and spills the accumulators of such intrinsics, and clang 14 lacks them in a region.
template <int lane>
inline int32x4_t dot(int32x4_t acc, int8x16_t codes, int8x16_t q) {
  asm("sdot %0.4s, %1.16b, %2.4b[%c3]" : "+w"(acc) : "w"(codes), "w"(q), "i"(lane));
  return acc;
}

// Dot products of four: sums of 4 rows by one token in 32 bits, over all of k or a group.
struct Dot {
  static constexpr int kBlocks = 1;
  template <class F>
  static constexpr size_t kUnits = kMaxInputs;
  using Tiles = std::integer_sequence<int, 1, 2, 3, 4, 8>;
  // Weights are decoded once a tile, which costs about half of what four tokens do: 9 .. 12 tokens
  // in tiles of 4 are quicker than in two of 8.
  static size_t tile(size_t n) noexcept {
    if (n <= 4) return n == 0 ? 1 : n;
    return n >= 9 && n <= 12 ? 4 : 8;
  }

  template <int T>
  struct Sum {
    int32x4_t token[T];
  };
  template <int T>
  static void clear(Sum<T>& sum) {
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) sum.token[t] = vdupq_n_s32(0);
  }
  template <int T>
  static void multiply(Sum<T>& sum, const int8x16_t (&codes)[1], const int8_t* q) {
    if constexpr (T % 4 == 0) {
#pragma GCC unroll 2
      for (int t = 0; t < T; t += 4) {
        const int8x16_t a = vld1q_s8(q + 4 * t);
        sum.token[t] = dot<0>(sum.token[t], codes[0], a);
        sum.token[t + 1] = dot<1>(sum.token[t + 1], codes[0], a);
        sum.token[t + 2] = dot<2>(sum.token[t + 2], codes[0], a);
        sum.token[t + 3] = dot<3>(sum.token[t + 3], codes[0], a);
      }
    } else {
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        int32_t unit;
        std::memcpy(&unit, q + 4 * t, 4);
        const int8x16_t a = vreinterpretq_s8_s32(vdupq_n_s32(unit));
        sum.token[t] = dot<0>(sum.token[t], codes[0], a);
      }
    }
  }
  template <int T>
  static void widen(const Sum<T>& sum, int32_t* acc) {
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t)
      vst1q_s32(acc + 4 * t, vaddq_s32(vld1q_s32(acc + 4 * t), sum.token[t]));
  }
};

}  // namespace
}  // namespace sterna::quant::neon

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace sterna::quant {

const LinearKernels* neon_dot_kernels(Type type) noexcept {
  return neon::int_kernels<neon::Dot>(type);
}

}  // namespace sterna::quant

#endif
