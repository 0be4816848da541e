#include <sterna/nn/activation.h>

#include "kernels.h"
#include "rows.h"

namespace sterna::nn {

void gelu(Mat<const float> x, Mat<float> y, const Executor& executor, quant::Isa isa) noexcept {
  const auto kernel = kernels(isa).gelu;
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

}  // namespace sterna::nn
