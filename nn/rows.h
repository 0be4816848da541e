#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/mat.h>

#include <algorithm>
#include <cassert>
#include <cstddef>

namespace sterna::nn {

/// Rows of `cols` elements that are worth handing to another thread: about 16 Ki elements.
inline size_t row_grain(size_t cols) noexcept {
  return std::max<size_t>(1, 16384 / std::max<size_t>(1, cols));
}

/// Calls f(x row, y row) for every row, in parallel once there is work enough to pay for it.
template <class F>
void for_rows(Mat<const float> x, Mat<float> y, const Executor& executor, F&& f) noexcept {
  assert(x.rows == y.rows && x.cols == y.cols);
  executor.for_ranges(x.rows, row_grain(x.cols), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) f(x.row(i), y.row(i));
  });
}

}  // namespace sterna::nn
