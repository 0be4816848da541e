#include "kernels.h"

namespace sterna::nn {

const Kernels& kernels(quant::Isa isa) noexcept {
#if defined(__x86_64__)
  if (vector_isa(isa) == quant::Isa::avx512) return avx512::kKernels;
  if (vector_isa(isa) == quant::Isa::avx2) return avx2::kKernels;
#elif defined(__aarch64__)
  if (isa == quant::Isa::neon) return neon::kKernels;
#endif
  static_cast<void>(isa);
  return scalar::kKernels;
}

}  // namespace sterna::nn
