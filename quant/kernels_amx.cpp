#include "kernels.h"

#if defined(__x86_64__)

#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>
#include <sterna/quant/target.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "activations.h"
#include "codes.h"
#include "int_scratch.h"
#include "prefetch.h"
#include "sparse.h"

// Everything in the region below may use AVX-512 with VBMI and BF16, and AMX; it is entered only
// through the table, which linear_kernels() hands out only where the CPU has them all and the
// operating system lets this process use tiles.
STERNA_TARGET("fma,f16c,avx512bw,avx512vl,avx512dq,avx512vnni,amx-tile,amx-int8,amx-bf16")

#include "avx512_prepare.h"
// in this order: the kernels call the packing above
#include "avx512_float.h"
#include "avx512_sparse.h"
// in this order: the formats of integer weights, then tiles of them
#include "avx512_int.h"
// clang-format off
#include "amx_tiles.h"
#include "amx_prepare.h"
#include "amx_outputs.h"
#include "amx_run.h"
// clang-format on

namespace sterna::quant::amx {

// An integer type whose weights are read as F says; few tokens are AVX-512's.
template <class F>
struct Integer {
  static const LinearKernels& few(Type type) noexcept {
    return *avx512_kernels(type, cpu_features());
  }
  static size_t tile(size_t n) noexcept {
    return n < F::kLeastTokens ? avx512::int_tile(n) : token_tile(n);
  }
  static size_t scratch(const WeightView& w, size_t n) noexcept {
    return n < F::kLeastTokens ? few(w.type).scratch_bytes(w, n) : scratch_bytes(w, n);
  }
  static void prepare(const WeightView& w, const float* x, size_t ldx, size_t n, size_t n0,
                      size_t n1, std::byte* to) noexcept {
    if (n < F::kLeastTokens) return few(w.type).prepare(w, x, ldx, n, n0, n1, to);
    int_prepare(w, x, ldx, n, n0, n1, to);
  }
  static void run(const WeightView& w, const float* bias, const std::byte* from, size_t n,
                  size_t m0, size_t m1, float* y, size_t ldy) noexcept {
    if (n < F::kLeastTokens) return few(w.type).run(w, bias, from, n, m0, m1, y, ldy);
    amx::run<F>(w, bias, from, n, m0, m1, y, ldy);
  }
  static constexpr LinearKernels kTable = {tile, scratch, prepare, run};
};

}  // namespace sterna::quant::amx

STERNA_TARGET_END

namespace sterna::quant {

const LinearKernels* amx_kernels(Type type) noexcept {
  static constexpr LinearKernels bf16 = {amx::token_tile, amx::scratch_bytes, amx::bf16_prepare,
                                         amx::run<amx::Bf16>, amx::bf16_prepare_inputs};
  switch (type) {
    case Type::f32:
      return avx512_kernels(type, cpu_features());
    case Type::bf16:
      return &bf16;
    case Type::i8:
      return &amx::Integer<amx::I8>::kTable;
    case Type::t2:
      return &amx::Integer<amx::Unfolded<avx512::T2>>::kTable;
    case Type::t5:
      return &amx::Integer<amx::Unfolded<avx512::T5Vbmi>>::kTable;
    case Type::t34:
      return &amx::Integer<amx::Unfolded<avx512::T34Vbmi>>::kTable;
    case Type::t14:
      return &amx::Integer<amx::Unfolded<avx512::T14Vbmi>>::kTable;
  }
  return nullptr;
}

}  // namespace sterna::quant

#endif
