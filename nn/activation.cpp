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

void scale_shift(Mat<const float> x, std::span<const float> scale, std::span<const float> shift,
                 Mat<float> y, const Executor& executor, quant::Isa isa) noexcept {
  assert(scale.size() == x.cols && shift.size() == x.cols);
  const auto kernel = kernels(isa).scale_shift;
  for_rows(x, y, executor, [&](const float* from, float* to) {
    kernel(from, scale.data(), shift.data(), x.cols, to);
  });
}

}  // namespace sterna::nn
