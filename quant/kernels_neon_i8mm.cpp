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

// Everything in the region below may use SMMLA; it is entered only through neon_kernels(). On the
// names of the target: kernels_neon_dot.cpp.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("i8mm"))), apply_to = function)
#elif defined(__ARM_FEATURE_QRDMX)
#pragma GCC push_options
#pragma GCC target("+i8mm")
#else
#pragma GCC push_options
#pragma GCC target("arch=armv8.2-a+crypto+i8mm")
#endif

#include "neon_prepare.h"
#include "neon_sparse.h"
// in this order: tiles unfold sparse weights
#include "neon_int.h"

namespace sterna::quant::neon {
namespace {

// acc [2 rows][2 tokens] + codes [2][8] . q [2][8]. Assembly for the reasons of SDOT.
inline int32x4_t multiply_add(int32x4_t acc, int8x16_t codes, int8x16_t q) {
  asm("smmla %0.4s, %1.16b, %2.16b" : "+w"(acc) : "w"(codes), "w"(q));
  return acc;
}

// Matrix products of two rows by two tokens and eight inputs, four of each of two blocks: twice the
// products of SDOT. One token alone leaves half of them unused, and takes SDOT.
struct Matrix {
  static constexpr int kBlocks = 2;
  template <class F>
  static constexpr size_t kUnits = kMaxInputs;
  using Tiles = std::integer_sequence<int, 2, 4, 8>;
  static size_t tile(size_t n) noexcept {  // as of SDOT, in pairs
    if (n <= 4) return n <= 2 ? 2 : 4;
    return n >= 9 && n <= 12 ? 4 : 8;
  }

  template <int T>
  struct Sum {
    int32x4_t low[T / 2], high[T / 2];  // rows 0, 1 and rows 2, 3 of a pair of tokens
  };
  template <int T>
  static void clear(Sum<T>& sum) {
#pragma GCC unroll 4
    for (int p = 0; p < T / 2; ++p) sum.low[p] = sum.high[p] = vdupq_n_s32(0);
  }
  template <int T>
  static void multiply(Sum<T>& sum, const int8x16_t (&codes)[2], const int8_t* q) {
#pragma GCC unroll 4
    for (int p = 0; p < T / 2; ++p) {
      const int8x16_t a = vld1q_s8(q + 16 * p);
      sum.low[p] = multiply_add(sum.low[p], codes[0], a);
      sum.high[p] = multiply_add(sum.high[p], codes[1], a);
    }
  }
  template <int T>
  static void widen(const Sum<T>& sum, int32_t* acc) {
#pragma GCC unroll 4
    for (int p = 0; p < T / 2; ++p, acc += 8) {
      const int32x4_t even = vuzp1q_s32(sum.low[p], sum.high[p]);
      const int32x4_t odd = vuzp2q_s32(sum.low[p], sum.high[p]);
      vst1q_s32(acc, vaddq_s32(vld1q_s32(acc), even));
      vst1q_s32(acc + 4, vaddq_s32(vld1q_s32(acc + 4), odd));
    }
  }
};

// Several tokens take this file's table, one alone that of SDOT.
const LinearKernels& chosen(const WeightView& w, size_t n) noexcept {
  return *(n > 1 ? int_kernels<Matrix>(w.type) : neon_dot_kernels(w.type));
}
size_t tile(size_t n) noexcept { return n > 1 ? Matrix::tile(n) : 1; }
size_t scratch_bytes(const WeightView& w, size_t n) noexcept {
  return chosen(w, n).scratch_bytes(w, n);
}
void prepare(const WeightView& w, const float* x, size_t ldx, size_t n, size_t n0, size_t n1,
             std::byte* scratch) noexcept {
  chosen(w, n).prepare(w, x, ldx, n, n0, n1, scratch);
}
void run(const WeightView& w, const float* bias, const std::byte* scratch, size_t n, size_t m0,
         size_t m1, float* y, size_t ldy) noexcept {
  chosen(w, n).run(w, bias, scratch, n, m0, m1, y, ldy);
}

constexpr LinearKernels kEither = {tile, scratch_bytes, prepare, run};

}  // namespace
}  // namespace sterna::quant::neon

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace sterna::quant {

const LinearKernels* neon_i8mm_kernels(Type type) noexcept {
  return is_integer(type) ? &neon::kEither : nullptr;
}

}  // namespace sterna::quant

#endif
