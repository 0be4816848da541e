#include <sterna/nn/activation.h>

#include <array>

#include "kernels.h"
#include "rounded.h"
#include "rows.h"

namespace sterna::nn {

Elementwise activation(Activation f, quant::Isa isa) noexcept {
  const Kernels& k = kernels(isa);
  // In the order of Activation.
  return std::array{k.gelu, k.gelu_tanh, k.quick_gelu, k.silu, k.relu}[static_cast<size_t>(f)];
}

Elementwise rounded_activation(Activation f, quant::Isa isa) noexcept {
  const RoundedKernels* k = rounded_kernels(isa);
  if (k == nullptr || f == Activation::relu) return activation(f, isa);
  return std::array{k->gelu, k->gelu_tanh, k->quick_gelu, k->silu}[static_cast<size_t>(f)];
}

void activate(Activation f, Mat<const float> x, Mat<float> y, const Executor& executor,
              quant::Isa isa) noexcept {
  const Elementwise kernel = activation(f, isa);
  for_rows(x, y, executor, [&](const float* from, float* to) { kernel(from, x.cols, to); });
}

void relu_squared(Mat<const float> x, Mat<float> y, const Executor& executor,
                  quant::Isa isa) noexcept {
  const auto kernel = kernels(isa).relu_squared;
  for_rows(x, y, executor, [&](const float* from, float* to) { kernel(from, x.cols, to); });
}

void add(Mat<const float> x, Mat<float> y, const Executor& executor, quant::Isa isa) noexcept {
  const auto kernel = kernels(isa).add;
  for_rows(x, y, executor, [&](const float* from, float* to) { kernel(from, x.cols, to); });
}

void multiply(Mat<const float> x, Mat<float> y, const Executor& executor, quant::Isa isa) noexcept {
  const auto kernel = kernels(isa).multiply;
  for_rows(x, y, executor, [&](const float* from, float* to) { kernel(from, x.cols, to); });
}

}  // namespace sterna::nn
