#include "kernels.h"
namespace sterna::quant {
const LinearKernels* avx512_kernels(Type) noexcept { return nullptr; }
}  // namespace sterna::quant
