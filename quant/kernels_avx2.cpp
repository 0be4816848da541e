#include "kernels.h"

#if defined(__x86_64__)

#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>
#include <sterna/quant/target.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "activations.h"
#include "codes.h"
#include "int_scratch.h"
#include "sparse.h"

// Everything in the region below may use AVX2, FMA and F16C; it is entered only through the tables,
// which linear_kernels() hands out only where the CPU has them. Instructions of AVX-VNNI are
// written as assembly and reached only where the CPU has those too.
STERNA_TARGET("avx2,fma,f16c")

#include "avx2_prepare.h"
// in this order: the kernels use the masks above
#include "avx2_float.h"
#include "avx2_sparse.h"
// in this order: tiles unfold sparse weights
#include "avx2_int.h"
// in this order: tiles, then many of them
#include "avx2_gemm.h"
// in this order: the same tiles with other instructions
#include "avxvnni_int.h"

STERNA_TARGET_END

namespace sterna::quant {

const LinearKernels* avx2_kernels(Type type) noexcept {
  namespace k = avx2;
  static constexpr LinearKernels f32 = {k::f32_tile, k::f32_scratch, k::f32_prepare, k::f32_run};
  static constexpr LinearKernels bf16 = {bf16_tile, bf16_scratch, bf16_prepare, k::bf16_run};
  static constexpr LinearKernels i8 = {k::int_tile<k::I8>, k::int_scratch<k::I8>,
                                       k::int_prepare<k::I8>, k::int_run<k::I8>};
  static constexpr LinearKernels t2 = {k::int_tile<k::T2>, k::int_scratch<k::T2>,
                                       k::int_prepare<k::T2>, k::int_run<k::T2>};
  static constexpr LinearKernels t5 = {k::int_tile<k::T5>, k::int_scratch<k::T5>,
                                       k::int_prepare<k::T5>, k::int_run<k::T5>};
  static constexpr LinearKernels t34 = {k::int_tile<k::T34>, k::int_scratch<k::T34>,
                                        k::sparse_prepare<k::T34>, k::int_run<k::T34>};
  static constexpr LinearKernels t14 = {k::int_tile<k::T14>, k::int_scratch<k::T14>,
                                        k::sparse_prepare<k::T14>, k::int_run<k::T14>};
  switch (type) {
    case Type::f32:
      return &f32;
    case Type::bf16:
      return &bf16;
    case Type::i8:
      return &i8;
    case Type::t2:
      return &t2;
    case Type::t5:
      return &t5;
    case Type::t34:
      return &t34;
    case Type::t14:
      return &t14;
  }
  return nullptr;
}

const LinearKernels* avxvnni_kernels(Type type) noexcept {
  namespace k = avx2;
  static constexpr LinearKernels i8 = {k::int_tile<k::VnniI8>, k::int_scratch<k::VnniI8>,
                                       k::int_prepare<k::VnniI8>, k::vnni_run<k::VnniI8>};
  static constexpr LinearKernels t2 = {k::int_tile<k::VnniT2>, k::int_scratch<k::VnniT2>,
                                       k::int_prepare<k::VnniT2>, k::vnni_run<k::VnniT2>};
  static constexpr LinearKernels t5 = {k::int_tile<k::VnniT5>, k::int_scratch<k::VnniT5>,
                                       k::int_prepare<k::VnniT5>, k::vnni_run<k::VnniT5>};
  static constexpr LinearKernels t34 = {k::int_tile<k::VnniT34>, k::int_scratch<k::VnniT34>,
                                        k::sparse_prepare<k::VnniT34>, k::vnni_run<k::VnniT34>};
  static constexpr LinearKernels t14 = {k::int_tile<k::VnniT14>, k::int_scratch<k::VnniT14>,
                                        k::sparse_prepare<k::VnniT14>, k::vnni_run<k::VnniT14>};
  switch (type) {
    case Type::i8:
      return &i8;
    case Type::t2:
      return &t2;
    case Type::t5:
      return &t5;
    case Type::t34:
      return &t34;
    case Type::t14:
      return &t14;
    default:
      return avx2_kernels(type);
  }
}

}  // namespace sterna::quant

#endif
