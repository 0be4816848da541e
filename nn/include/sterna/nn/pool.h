#pragma once

#include <sterna/nn/mat.h>

#include <algorithm>
#include <cstddef>

namespace sterna::nn {

/// out [d] = the mean of the rows of x [t, d], zeros where t = 0. Sums run in double, in order: the
/// same bits everywhere.
inline void mean_rows(Mat<const float> x, float* out) noexcept {
  for (size_t j = 0; j < x.cols; ++j) {
    double sum = 0;
    for (size_t i = 0; i < x.rows; ++i) sum += static_cast<double>(x.row(i)[j]);
    out[j] = static_cast<float>(sum / static_cast<double>(std::max<size_t>(1, x.rows)));
  }
}

}  // namespace sterna::nn
