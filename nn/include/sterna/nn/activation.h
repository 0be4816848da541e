#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/mat.h>
#include <sterna/quant/isa.h>

// Element-wise maps, f32; the same bits on every instruction set and for any number of threads.
// y may be x. Sizes must agree (asserted).
namespace sterna::nn {

/// The activations of the networks that Sterna reads.
///   gelu        x / 2 (1 + erf(x / sqrt 2)): the exact one (arXiv 1606.08415)
///   gelu_tanh   its tanh form: x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
///   quick_gelu  x sigmoid(1.702 x), which CLIP was trained with
///   silu        x sigmoid(x)
///   relu        max(x, 0)
enum class Activation { gelu, gelu_tanh, quick_gelu, silu, relu };

/// y = f(x). Absolute error below 2^-21 max(|x|, 1), of gelu 2^-22.
void activate(Activation f, Mat<const float> x, Mat<float> y, const Executor& executor,
              quant::Isa isa = quant::best_isa()) noexcept;

/// f of n numbers, as activate(): what a linear map may do with its outputs.
using Elementwise = void (*)(const float* x, size_t n, float* y) noexcept;
Elementwise activation(Activation f, quant::Isa isa = quant::best_isa()) noexcept;
/// f where its results are rounded to bf16 next: error below 2^-12 max(|x|, 1), and instruction
/// sets differ in the last bits.
Elementwise rounded_activation(Activation f, quant::Isa isa = quant::best_isa()) noexcept;

/// y = max(x, 0)^2 (So et al., arXiv 2109.08668).
void relu_squared(Mat<const float> x, Mat<float> y, const Executor& executor,
                  quant::Isa isa = quant::best_isa()) noexcept;

/// y += x: the residual connection.
void add(Mat<const float> x, Mat<float> y, const Executor& executor,
         quant::Isa isa = quant::best_isa()) noexcept;

/// y *= x: a gate.
void multiply(Mat<const float> x, Mat<float> y, const Executor& executor,
              quant::Isa isa = quant::best_isa()) noexcept;

}  // namespace sterna::nn
