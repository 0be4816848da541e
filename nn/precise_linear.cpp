#include <sterna/nn/linear.h>
#include <sterna/nn/precise_linear.h>

#include <algorithm>
#include <numeric>
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

namespace {

// y = W q(x) + W q(x - q(x)) + b of each map, the second term only of the tokens in `token`. Both
// digits are tokens of one call, so each W is read once. `digits` and the y of `sums` have room.
void apply_digits(std::span<const PreciseProduct> products, Mat<const float> x,
                  std::span<const size_t> token, Mat<float> digits, std::span<Product> sums,
                  const Executor& executor, Workspace& workspace, const Kernels& rows) {
  const size_t n = x.rows, more = token.size();
  digits = digits.slice_rows(0, n + more);
  for (Product& sum : sums) sum.y = sum.y.slice_rows(0, n + more);
  for_rows(x, digits.slice_rows(0, n), executor,
           [&](const float* from, float* to) { std::copy(from, from + x.cols, to); });
  executor.for_ranges(more, row_grain(x.cols), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i)
      rows.int8_remainder(x.row(token[i]), x.cols, digits.row(n + i));
  });
  apply(sums, digits, executor, workspace);
  for (size_t p = 0; p < sums.size(); ++p) {
    const Mat<float> y = products[p].y, sum = sums[p].y;
    const float* bias = products[p].map->bias().data();
    for_rows(sum.slice_rows(0, n), y, executor,
             [&](const float* from, float* to) { std::copy(from, from + y.cols, to); });
    executor.for_ranges(more, row_grain(y.cols), [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        const float* low = sum.row(n + i);
        float* to = y.row(token[i]);
        for (size_t j = 0; j < y.cols; ++j) to[j] += low[j] - bias[j];
      }
    });
    if (const Elementwise then = products[p].then)
      for_rows(y, y, executor, [&](const float* from, float* to) { then(from, y.cols, to); });
  }
}

}  // namespace

void apply(std::span<const PreciseProduct> products, Mat<const float> x, const Executor& executor,
           Workspace& workspace, quant::Isa isa, SecondDigit second) {
  const Workspace::Frame frame(workspace);
  const auto plain = [&] {
    const std::span<Product> maps = workspace.array<Product>(products.size());
    for (size_t i = 0; i < maps.size(); ++i) {
      const auto& [map, y, then] = products[i];
      maps[i] = {&map->linear(), y, then};
    }
    apply(maps, x, executor, workspace);
  };
  for (const auto& [map, y, then] : products) {  // apply() tells what is wrong
    if (x.cols != map->k() || y.rows != x.rows || y.cols != map->m()) return plain();
  }
  const auto has_digits = [](const PreciseProduct& p) { return !p.map->bias().empty(); };
  if (std::none_of(products.begin(), products.end(), has_digits)) return plain();
  if (!std::all_of(products.begin(), products.end(), has_digits)) {
    for (const PreciseProduct& p : products) apply({&p, 1}, x, executor, workspace, isa, second);
    return;
  }
  // Room for a second digit of all tokens: a shape that was seen allocates nothing.
  const Mat<float> digits = workspace.mat<float>(2 * x.rows, x.cols);
  const std::span<Product> sums = workspace.array<Product>(products.size());
  for (size_t i = 0; i < sums.size(); ++i) {
    const Mat<float> y = workspace.mat<float>(2 * x.rows, products[i].y.cols);
    sums[i] = {&products[i].map->linear(), y, nullptr};
  }
  const Kernels& rows = kernels(isa);
  const std::span<size_t> token = workspace.array<size_t>(x.rows);
  if (second == SecondDigit::all) {
    std::iota(token.begin(), token.end(), size_t{0});
    return apply_digits(products, x, token, digits, sums, executor, workspace, rows);
  }
  const std::span<float> power = workspace.array<float>(x.rows);
  executor.for_ranges(x.rows, row_grain(x.cols), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) power[i] = rows.peak_power(x.row(i), x.cols);
  });
  size_t more = 0;
  for (size_t i = 0; i < x.rows; ++i)
    if (power[i] > PreciseLinear::kOneDigitPeakPower) token[more++] = i;
  if (more == 0) return plain();
  apply_digits(products, x, token.first(more), digits, sums, executor, workspace, rows);
}

void apply(const PreciseLinear& map, Mat<const float> x, Mat<float> y, const Executor& executor,
           Workspace& workspace, quant::Isa isa, SecondDigit second) {
  const PreciseProduct product{&map, y};
  apply({&product, 1}, x, executor, workspace, isa, second);
}

}  // namespace sterna::nn
