#include <doctest/doctest.h>
#include <sterna/nn/norm.h>
#include <tests/support/worse.h>

#include <cmath>

#include "common.h"

using namespace sterna;

namespace {

// One rounding of the mean, of a lane sum of n / 16 terms, and of four operations after it.
double tolerance(size_t n) { return std::ldexp(static_cast<double>(n / 16 + 10), -24); }

}  // namespace

TEST_CASE("layer_norm and rms_norm: against double, same bits on every ISA and thread count") {
  const nn::Executor one(1), two(2);
  for (const size_t n : std::initializer_list<size_t>{1, 7, 16, 33, 384, 1001}) {
    // A mean far from zero: a one-pass variance would lose every digit.
    auto x = test::random(90, n, 7, 1.0f, 5);
    for (float& v : x.data) v += 300.0f;
    const auto gain = test::random(1, n, 8).data, bias = test::random(1, n, 9).data;
    test::Owned layer(90, n), plain(90, n), rms(90, n);
    nn::layer_norm(x.view(), gain, bias, 1e-5f, layer.view(), one, quant::Isa::scalar);
    nn::layer_norm(x.view(), gain, {}, 1e-5f, plain.view(), one, quant::Isa::scalar);
    nn::rms_norm(x.view(), gain, 1e-5f, rms.view(), one, quant::Isa::scalar);
    double worst_layer = 0.0, worst_rms = 0.0;
    for (size_t i = 0; i < 90; ++i) {
      double mean = 0.0, squares = 0.0, variance = 0.0;
      for (size_t j = 0; j < n; ++j) mean += x.at(i, j), squares += std::pow(x.at(i, j), 2.0);
      mean /= static_cast<double>(n);
      for (size_t j = 0; j < n; ++j) variance += std::pow(x.at(i, j) - mean, 2.0);
      const double inverse = 1.0 / std::sqrt(variance / static_cast<double>(n) + 1e-5);
      const double root = 1.0 / std::sqrt(squares / static_cast<double>(n) + 1e-5);
      for (size_t j = 0; j < n; ++j) {
        const double u = (x.at(i, j) - mean) * inverse;
        // The mean's rounding error is relative to 300 and is scaled by `inverse`.
        const double scale = std::fabs(gain[j]) * (std::fabs(u) + 302.0 * inverse);
        worst_layer = test::worse(worst_layer,
                               std::fabs(layer.at(i, j) - (u * gain[j] + bias[j])) / (scale + 1.0));
        worst_layer =
            test::worse(worst_layer, std::fabs(plain.at(i, j) - u * gain[j]) / (scale + 1.0));
        const double w = x.at(i, j) * root * gain[j];
        worst_rms = test::worse(worst_rms, std::fabs(rms.at(i, j) - w) / std::fabs(w));
      }
    }
    CHECK(worst_layer <= tolerance(n));
    CHECK(worst_rms <= tolerance(n));
    for (const auto isa : test::isas()) {
      test::Owned y(90, n);
      nn::layer_norm(x.view(), gain, bias, 1e-5f, y.view(), two, isa);
      CHECK(test::same_bits(y.data, layer.data));
      nn::layer_norm(x.view(), gain, {}, 1e-5f, y.view(), two, isa);
      CHECK(test::same_bits(y.data, plain.data));
      nn::rms_norm(x.view(), gain, 1e-5f, y.view(), two, isa);
      CHECK(test::same_bits(y.data, rms.data));
    }
  }
}

TEST_CASE("softmax: sums to one, shift invariant at extremes, same bits on every ISA") {
  const nn::Executor one(1);
  for (const size_t n : std::initializer_list<size_t>{1, 5, 16, 50, 197, 1000}) {
    auto x = test::random(20, n, 11, 5.0f);
    x.at(0, 0) = 1e30f;
    x.at(1, n - 1) = -1e30f;
    test::Owned want(20, n);
    nn::softmax(x.view(), want.view(), one, quant::Isa::scalar);
    for (size_t i = 0; i < 20; ++i) {
      double top = x.at(i, 0), total = 0.0, worst = 0.0;
      for (size_t j = 0; j < n; ++j) top = std::max(top, static_cast<double>(x.at(i, j)));
      for (size_t j = 0; j < n; ++j) total += std::exp(x.at(i, j) - top);
      for (size_t j = 0; j < n; ++j) {
        const double p = std::exp(x.at(i, j) - top) / total;
        worst = test::worse(worst, std::fabs(want.at(i, j) - p) / (p + 1e-30));
      }
      // x - max is rounded: up to 40 * 2^-24 in the exponent.
      CHECK(worst <= std::ldexp(static_cast<double>(n / 16 + 60), -24));
    }
    for (const auto isa : test::isas()) {
      test::Owned y(20, n);
      nn::softmax(x.view(), y.view(), one, isa);
      CHECK(test::same_bits(y.data, want.data));
    }
  }
}
