#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/mat.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/linear.h>

#include <cstddef>
#include <vector>

namespace sterna::nn {

/// A linear map that gives integer weights inputs of two int8 digits: W x + b as W q(x) +
/// W q(x - q(x)) + b, q rounding a token to int8 by absmax. Inputs keep about 15 bits, so what is
/// lost is the rounding of the weights alone. For networks that were trained in float and have
/// outlier channels, which one digit serves badly: BERT loses 2 % of cosine on short texts with one
/// digit and 0.5 % with two. Float weights: the plain map.
class PreciseLinear {
 public:
  PreciseLinear() = default;
  PreciseLinear(quant::Linear linear);  // NOLINT(google-explicit-constructor): it is that map

  size_t m() const { return linear_.m(); }
  size_t k() const { return linear_.k(); }
  const quant::Linear& linear() const { return linear_; }
  /// What the second digit's product adds once too often; empty for float weights.
  const std::vector<float>& bias() const { return bias_; }

 private:
  quant::Linear linear_;
  std::vector<float> bias_;  // [m]
};

/// As apply(quant::Linear).
void apply(const PreciseLinear& linear, Mat<const float> x, Mat<float> y, const Executor& executor,
           Workspace& workspace, quant::Isa isa = quant::best_isa());

}  // namespace sterna::nn
