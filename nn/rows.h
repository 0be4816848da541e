#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/mat.h>

#include <algorithm>
#include <cassert>
#include <cstddef>

namespace sterna::nn {

/// Calls f(x row, y row) for every row, in parallel once there is work enough to pay for it
/// (about 16 Ki elements a piece).
template <class F>
void for_rows(Mat<const float> x, Mat<float> y, const Executor& executor, F&& f) noexcept {
  assert(x.rows == y.rows && x.cols == y.cols);
  constexpr size_t kPiece = 16384;
  const size_t grain = std::max<size_t>(1, kPiece / std::max<size_t>(1, x.cols));
  executor.for_ranges(x.rows, grain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) f(x.row(i), y.row(i));
  });
}

}  // namespace sterna::nn
