#pragma once

#include <cmath>
#include <cstddef>

namespace sterna::predictor {

inline float sigmoid(float x) { return 1.0F / (1.0F + std::exp(-x)); }

/// Of place i of n beside each other, from -0.5 to 0.5.
inline float middle(size_t i, size_t n) {
  return (static_cast<float>(i) + 0.5F) / static_cast<float>(n) - 0.5F;
}

}  // namespace sterna::predictor
