#pragma once

#include <sterna/nn/mat.h>

#include <cstddef>
#include <span>
#include <vector>

namespace sterna::models {

/// Mean and covariance of the inputs x [k] of a linear map, gathered batch by batch. Sums are taken
/// around the first batch's mean, so inputs that hardly vary around a large value lose no digits.
class InputMoments {
 public:
  explicit InputMoments(size_t k);

  /// Rows of x [t, k] with their weights [t], none negative. Throws sterna::Error for other sizes
  /// or inputs that are not finite.
  void add(nn::Mat<const float> x, std::span<const float> weights);
  /// Rows that count the same.
  void add(nn::Mat<const float> x);

  size_t k() const { return shift_.size(); }
  std::vector<double> mean() const;        // [k]; zeros before the first row
  std::vector<double> covariance() const;  // [k, k] row-major: E[(x - mean)(x - mean)^T]
  /// E[x x^T]: without a bias to put the mean error into, it counts like any other.
  std::vector<double> second_moments() const;

 private:
  std::vector<double> shift_;    // [k]
  std::vector<double> sum_;      // [k] of w (x - shift)
  std::vector<double> squares_;  // [k, k] of w (x - shift)(x - shift)^T, lower triangle
  double weight_ = 0;
};

}  // namespace sterna::models
