#include "kernels.h"
namespace sterna::quant {
const LinearKernels* avx2_kernels(Type) noexcept { return nullptr; }
}  // namespace sterna::quant
