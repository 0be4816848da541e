#include <sterna/nn/linear.h>
#include <sterna/nn/precise_linear.h>

#include <algorithm>
#include <utility>

#include "kernels.h"
#include "rows.h"

namespace sterna::nn {

PreciseLinear::PreciseLinear(quant::Linear linear) : linear_(std::move(linear)) {
  const quant::Type type = linear_.type();
  if (type == quant::Type::f32 || type == quant::Type::bf16 || m() == 0) return;
  // A token of zeros gives the bias.
  Workspace workspace;
  const Mat<float> zero = workspace.mat<float>(1, k());
  std::fill(zero.data, zero.data + k(), 0.0f);
  bias_.resize(m());
  apply(linear_, zero, Mat<float>(bias_.data(), 1, m()), Executor(1), workspace);
}

void apply(const PreciseLinear& map, Mat<const float> x, Mat<float> y, const Executor& executor,
           Workspace& workspace, quant::Isa isa) {
  if (map.bias().empty() || x.cols != map.k() || y.rows != x.rows || y.cols != map.m())
    return apply(map.linear(), x, y, executor, workspace);
  const Workspace::Frame frame(workspace);
  const size_t n = x.rows;
  // Both digits are tokens of one call, so W is read once.
  const auto digits = workspace.mat<float>(2 * n, x.cols);
  const auto products = workspace.mat<float>(2 * n, y.cols);
  const auto remainder = kernels(isa).int8_remainder;
  for_rows(x, digits.slice_rows(n, n), executor,
           [&](const float* from, float* to) { remainder(from, x.cols, to); });
  for (size_t i = 0; i < n; ++i) std::copy(x.row(i), x.row(i) + x.cols, digits.row(i));
  apply(map.linear(), digits, products, executor, workspace);
  const float* bias = map.bias().data();
  for_rows(products.slice_rows(0, n), y, executor, [&](const float* high, float* to) {
    const float* low = high + n * products.stride;
    for (size_t j = 0; j < y.cols; ++j) to[j] = high[j] + (low[j] - bias[j]);
  });
}

}  // namespace sterna::nn
