#pragma once

#include <sterna/nn/activation.h>
#include <sterna/nn/executor.h>
#include <sterna/nn/mat.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/linear.h>

#include <cstddef>
#include <span>
#include <vector>

namespace sterna::nn {

/// A linear map that gives integer weights inputs of two int8 digits where one would lose much:
/// W x + b as W q(x) + W q(x - q(x)) + b, q rounding a token to int8 by absmax. Tokens that need it
/// are those with outlier channels: rounding errs by max |x| / 127 / sqrt(12) of a channel, which
/// against the root mean square of the token is 1.4 % at the peak power below and 4.5 % where one
/// channel of 384 holds all. All others have one digit. Float weights: the plain map.
/// Measured on an earlier default model's text tower, cosine with float on average (least): two
/// digits everywhere 0.99987 (0.9995), as here 0.99982 (0.9994), one digit 0.9965 (0.982).
class PreciseLinear {
 public:
  /// max x^2 / mean x^2 of a token from which on it gets a second digit.
  static constexpr float kOneDigitPeakPower = 40.0f;

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

/// Which tokens get a second digit: those beyond kOneDigitPeakPower, or all.
enum class SecondDigit { outliers, all };

/// As apply(quant::Linear).
void apply(const PreciseLinear& linear, Mat<const float> x, Mat<float> y, const Executor& executor,
           Workspace& workspace, quant::Isa isa = quant::best_isa(),
           SecondDigit second = SecondDigit::outliers);

/// As Product.
struct PreciseProduct {
  const PreciseLinear* map;
  Mat<float> y;
  Elementwise then = nullptr;
};

/// The same for several maps at once, which share what is made of x.
void apply(std::span<const PreciseProduct> products, Mat<const float> x, const Executor& executor,
           Workspace& workspace, quant::Isa isa = quant::best_isa(),
           SecondDigit second = SecondDigit::outliers);

}  // namespace sterna::nn
