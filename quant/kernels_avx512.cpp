#include "kernels.h"

#if defined(__x86_64__)

#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>
#include <sterna/quant/target.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "activations.h"
#include "codes.h"
#include "int_scratch.h"
#include "prefetch.h"
#include "sparse.h"

// Everything in the region below may use AVX-512 F, BW, VL, DQ, VNNI; it is entered only through
// the table, which linear_kernels() hands out only where the CPU has them. Instructions of VBMI and
// BF16 are written as assembly and reached only where the CPU has those too.
STERNA_TARGET("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")

#include "avx512_prepare.h"
// in this order: the kernels call the packing above
#include "avx512_float.h"
#include "avx512_sparse.h"
// in this order: tiles unfold sparse weights
#include "avx512_int.h"
// in this order: tiles, then many of them
#include "avx512_gemm.h"
// in this order: one token takes the tile functions where a row has many scales
#include "avx512_gemv.h"

STERNA_TARGET_END

namespace sterna::quant {

namespace {

template <class F, auto scratch, auto prepare>
const LinearKernels* integer_kernels(const CpuFeatures& features) noexcept {
  namespace k = avx512;
  static constexpr LinearKernels intel = {k::int_tile, scratch, prepare, k::int_run<F, k::kIntel>};
  static constexpr LinearKernels amd = {k::int_tile, scratch, prepare, k::int_run<F, k::kAmd>};
  return features.amd ? &amd : &intel;
}

template <class F>
const LinearKernels* dense_kernels(const CpuFeatures& features) noexcept {
  return integer_kernels<F, avx512::int_scratch, avx512::int_prepare<false>>(features);
}

template <class F>
const LinearKernels* sparse_kernels(const CpuFeatures& features) noexcept {
  return integer_kernels<F, avx512::int_scratch, avx512::int_prepare<true>>(features);
}

template <class D>
constexpr LinearKernels bf16_kernels() noexcept {
  namespace k = avx512;
  return {k::bf16_tile, k::bf16_scratch, k::bf16_prepare<D>, k::bf16_run<D>,
          k::bf16_prepare_inputs<D>};
}

}  // namespace

const LinearKernels* avx512_kernels(Type type, const CpuFeatures& features) noexcept {
  namespace k = avx512;
  static constexpr LinearKernels f32 = {k::f32_tile, k::f32_scratch, k::f32_prepare, k::f32_run};
  static constexpr LinearKernels bf16 = bf16_kernels<k::Bf16Dot>();
  static constexpr LinearKernels bf16_fma = bf16_kernels<k::Bf16Fma>();
  switch (type) {
    case Type::f32:
      return &f32;
    case Type::bf16:
      return features.bf16 ? &bf16 : &bf16_fma;
    case Type::i8:
      return dense_kernels<k::I8>(features);
    case Type::t2:
      return dense_kernels<k::T2>(features);
    case Type::t5:
      return features.vbmi ? dense_kernels<k::T5Vbmi>(features)
                           : dense_kernels<k::T5Shuffle>(features);
    case Type::t34:
      return features.vbmi ? sparse_kernels<k::T34Vbmi>(features)
                           : sparse_kernels<k::T34Shuffle>(features);
    case Type::t14:
      return features.vbmi
                 ? integer_kernels<k::T14Vbmi, k::t14_scratch, k::t14_prepare>(features)
                 : sparse_kernels<k::T14Shuffle>(features);
  }
  return nullptr;
}

}  // namespace sterna::quant

#endif
