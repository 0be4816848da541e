#include <sterna/nn/norm.h>

#include <cassert>

#include "kernels.h"
#include "rows.h"

namespace sterna::nn {

void layer_norm(Mat<const float> x, std::span<const float> gain, std::span<const float> bias,
                float eps, Mat<float> y, const Executor& executor, quant::Isa isa) noexcept {
  assert(gain.size() == x.cols && (bias.empty() || bias.size() == x.cols));
  const auto kernel = kernels(isa).layer_norm;
  const float* b = bias.empty() ? nullptr : bias.data();
  for_rows(x, y, executor,
           [&](const float* from, float* to) { kernel(from, gain.data(), b, eps, x.cols, to); });
}

void rms_norm(Mat<const float> x, std::span<const float> gain, float eps, Mat<float> y,
              const Executor& executor, quant::Isa isa) noexcept {
  assert(gain.size() == x.cols);
  const auto kernel = kernels(isa).rms_norm;
  for_rows(x, y, executor,
           [&](const float* from, float* to) { kernel(from, gain.data(), eps, x.cols, to); });
}

void softmax(Mat<const float> x, Mat<float> y, const Executor& executor, quant::Isa isa) noexcept {
  const auto kernel = kernels(isa).softmax;
  for_rows(x, y, executor, [&](const float* from, float* to) { kernel(from, x.cols, to); });
}

}  // namespace sterna::nn
