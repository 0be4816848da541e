#pragma once

#include <cmath>
#include <cstddef>

namespace sterna::nn {

/// x /= |x|; a vector of zeros stays one. The sum of squares runs in double, in order: the same
/// bits everywhere.
inline void l2_normalize(float* x, size_t n) noexcept {
  double square = 0;
  for (size_t i = 0; i < n; ++i) square += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  if (!(square > 0)) return;
  const double inverse = 1.0 / std::sqrt(square);
  for (size_t i = 0; i < n; ++i) x[i] = static_cast<float>(static_cast<double>(x[i]) * inverse);
}

}  // namespace sterna::nn
