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

// NEON is part of every aarch64 CPU: no target region. kernels_neon_dot.cpp and
// kernels_neon_i8mm.cpp compile the same integer tiles with the instructions of newer CPUs.

#include "neon_prepare.h"
// in this order: the kernels store rows by the above
#include "neon_float.h"
#include "neon_sparse.h"
// in this order: tiles unfold sparse weights
#include "neon_int.h"

namespace sterna::quant {

namespace neon {
namespace {

// Widening multiplications, for CPUs without dot products: sums in int16, four a row, which are
// widened in time: |codes * inputs| <= kMostCode * 127 each.
struct Widening {
  static constexpr int kBlocks = 1;
  template <class F>
  static constexpr size_t kUnits = 32767 / (F::kMostCode * 127);
  using Tiles = std::integer_sequence<int, 1, 2, 3, 4>;
  static size_t tile(size_t n) noexcept { return best_tile(n, 3, 4); }

  template <int T>
  struct Sum {
    int16x8_t low[T], high[T];  // rows 0, 1 and rows 2, 3
  };
  template <int T>
  static void clear(Sum<T>& sum) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) sum.low[t] = sum.high[t] = vdupq_n_s16(0);
  }
  template <int T>
  static void multiply(Sum<T>& sum, const int8x16_t (&codes)[1], const int8_t* q) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      int32_t unit;
      std::memcpy(&unit, q + 4 * t, 4);
      const int8x16_t a = vreinterpretq_s8_s32(vdupq_n_s32(unit));
      sum.low[t] = vmlal_s8(sum.low[t], vget_low_s8(codes[0]), vget_low_s8(a));
      sum.high[t] = vmlal_high_s8(sum.high[t], codes[0], a);
    }
  }
  template <int T>
  static void widen(const Sum<T>& sum, int32_t* acc) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      const int32x4_t rows = vpaddq_s32(vpaddlq_s16(sum.low[t]), vpaddlq_s16(sum.high[t]));
      vst1q_s32(acc + 4 * t, vaddq_s32(vld1q_s32(acc + 4 * t), rows));
    }
  }
};

constexpr LinearKernels kF32 = {f32_tile, f32_scratch, f32_prepare, f32_run};
constexpr LinearKernels kBf16 = {bf16_tile, bf16_scratch, bf16_prepare, bf16_run};

}  // namespace
}  // namespace neon

const LinearKernels* neon_kernels(Type type, const CpuFeatures& features) noexcept {
  if (type == Type::f32) return &neon::kF32;
  if (type == Type::bf16) return &neon::kBf16;
  if (features.i8mm) return neon_i8mm_kernels(type);
  if (features.dotprod) return neon_dot_kernels(type);
  return neon::int_kernels<neon::Widening>(type);
}

}  // namespace sterna::quant

#endif
