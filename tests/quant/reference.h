#pragma once

#include <doctest/doctest.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <vector>

#include "support.h"

namespace sterna::quant::test {

using MatrixF = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixD = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

inline MatrixD real_weights(const WeightView& w) {
  std::vector<float> real(w.m * w.k);
  dequantise(w, real);
  return Eigen::Map<const MatrixF>(real.data(), static_cast<Eigen::Index>(w.m),
                                   static_cast<Eigen::Index>(w.k))
      .cast<double>();
}

/// x as the kernels see it: itself, rounded to bfloat16, or quantised a token.
inline MatrixD seen_inputs(Type type, const std::vector<float>& x, size_t n, size_t k) {
  std::vector<float> seen(x);
  for (size_t t = 0; t < n; ++t) {
    float top = 0;
    for (size_t c = 0; c < k; ++c) top = std::max(top, std::fabs(x[t * k + c]));
    for (size_t c = 0; c < k; ++c) {
      float& v = seen[t * k + c];
      if (type == Type::bf16) v = bf16_to_f32(f32_to_bf16(v));
      if (is_integer(type))
        v = top == 0 ? 0.0f : std::nearbyint(v * (127.0f / top)) * (top / 127.0f);
    }
  }
  return Eigen::Map<const MatrixF>(seen.data(), static_cast<Eigen::Index>(n),
                                   static_cast<Eigen::Index>(k))
      .cast<double>();
}

/// |y - reference| <= bound, element by element. A float sum of k products in any order, fused or
/// not, errs at most (k + 2) * eps * sum |w||x| (Higham, Accuracy and Stability, section 3.1); the
/// integer sums are exact, so only the few roundings of the epilogue remain.
inline void check_against_double(const Weights& w, const std::vector<float>& x, size_t n,
                                 const std::vector<float>& bias, const std::vector<float>& y) {
  const size_t k = w.view.k, m = w.view.m;
  const MatrixD weights = real_weights(w.view);
  const MatrixD inputs = seen_inputs(w.view.type, x, n, k);
  const MatrixD expected = inputs * weights.transpose();
  const MatrixD size = inputs.cwiseAbs() * weights.cwiseAbs().transpose();
  const double roundings = is_integer(w.view.type)
                               ? 6.0 + 2.0 * static_cast<double>(group_count(k, w.view.group))
                               : static_cast<double>(k) + 2.0;
  const double eps = std::numeric_limits<float>::epsilon();
  for (size_t t = 0; t < n; ++t) {
    for (size_t r = 0; r < m; ++r) {
      const auto i = static_cast<Eigen::Index>(t), j = static_cast<Eigen::Index>(r);
      const double b = bias.empty() ? 0.0 : static_cast<double>(bias[r]);
      const double bound = eps * (roundings * size(i, j) + std::fabs(b)) + 1e-30;
      const double error = std::fabs(static_cast<double>(y[t * m + r]) - (expected(i, j) + b));
      if (!(error <= bound)) {  // nor what is no number
        CAPTURE(t);
        CAPTURE(r);
        CAPTURE(error);
        CAPTURE(bound);
        REQUIRE(error <= bound);
      }
    }
  }
}

/// f(weights, x, n) with every product at its largest, of one sign, and with the codes of a broken
/// file too.
template <class F>
void for_largest_products(F&& f) {
  const size_t m = 17, k = 2049;
  for (const Type type : kIntegers) {
    Weights w(type, std::vector<float>(m * k, 1.0f), m, k);
    for (const int byte : {-1, 0, 255}) {  // -1: as packed
      if (byte >= 0) std::fill(w.packed.data.begin(), w.packed.data.end(), std::byte(byte));
      for (const size_t n : std::initializer_list<size_t>{1, 7, 20})
        for (const float input : {1.0f, -1.0f}) f(w, std::vector<float>(n * k, input), n);
    }
  }
}

struct Shape {
  size_t m, k, n;
};
/// Ragged in every way that a kernel may have pieces.
inline constexpr Shape kShapes[] = {
    {1, 1, 1},    {1, 2, 3},    {16, 4, 1},    {16, 16, 2},  {17, 20, 4},   {15, 19, 5},
    {33, 21, 7},  {48, 64, 8},  {47, 63, 9},   {64, 65, 10}, {31, 127, 11}, {97, 129, 13},
    {5, 255, 16}, {80, 257, 1}, {50, 320, 1},  {24, 16, 49}, {7, 96, 50},   {112, 101, 70},
    {3, 1283, 6}, {257, 31, 3}, {40, 640, 23}, {65, 1531, 2}};

}  // namespace sterna::quant::test
