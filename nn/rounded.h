#pragma once

#include <sterna/nn/activation.h>
#include <sterna/quant/isa.h>

#include <cstddef>

namespace sterna::nn {

/// Functions whose results are rounded to bf16 or int8 next, which keeps 2^-9 of them: in a third
/// of the time of those of kernels.h they are within 2^-12 of max(|x|, 1) (weights of a softmax: of
/// the weight). Instruction sets differ in the last bits. Arguments as there.
struct RoundedKernels {
  Elementwise gelu, gelu_tanh, quick_gelu, silu;
  float (*weigh)(const float* x, size_t n, float scale, float* top, float* y) noexcept;
};

/// Null where an instruction set has none of its own.
const RoundedKernels* rounded_kernels(quant::Isa isa) noexcept;

}  // namespace sterna::nn
