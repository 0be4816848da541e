#include <sterna/nn/linear.h>
#include <sterna/nn/precise_linear.h>

#include <algorithm>
#include <span>
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
  // Room for all tokens, whatever these ask for: a shape that was seen allocates nothing.
  const auto digits = workspace.mat<float>(2 * n, x.cols);
  const auto products = workspace.mat<float>(2 * n, y.cols);
  const std::span<float> power = workspace.array<float>(n);
  const std::span<size_t> token = workspace.array<size_t>(n);
  const Kernels& rows = kernels(isa);
  const size_t grain = row_grain(x.cols);
  executor.for_ranges(n, grain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) power[i] = rows.peak_power(x.row(i), x.cols);
  });
  size_t more = 0;
  for (size_t i = 0; i < n; ++i)
    if (power[i] > PreciseLinear::kOneDigitPeakPower) token[more++] = i;
  if (more == 0) return apply(map.linear(), x, y, executor, workspace);
  // Both digits are tokens of one call, so W is read once.
  for_rows(x, digits.slice_rows(0, n), executor,
           [&](const float* from, float* to) { std::copy(from, from + x.cols, to); });
  executor.for_ranges(more, grain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i)
      rows.int8_remainder(x.row(token[i]), x.cols, digits.row(n + i));
  });
  const auto all = products.slice_rows(0, n + more);
  apply(map.linear(), digits.slice_rows(0, n + more), all, executor, workspace);
  for_rows(products.slice_rows(0, n), y, executor,
           [&](const float* from, float* to) { std::copy(from, from + y.cols, to); });
  const float* bias = map.bias().data();
  executor.for_ranges(more, grain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const float* low = products.row(n + i);
      float* to = y.row(token[i]);
      for (size_t j = 0; j < y.cols; ++j) to[j] += low[j] - bias[j];
    }
  });
}

}  // namespace sterna::nn
