#include <doctest/doctest.h>
#include <nn/kernels.h>
#include <nn/rounded.h>
#include <sterna/nn/activation.h>
#include <tests/support/worse.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "common.h"

using namespace sterna;

namespace {

/// |got - want| in units of the last place of a float near `want`.
double ulps(float got, double want) {
  if (got == static_cast<float>(want)) return 0.0;
  const int e = std::max(std::ilogb(want), -126);
  return std::fabs(got - want) / std::ldexp(1.0, e - 23);
}

/// Every float whose bits are a multiple of `step` (a prime, so mantissas vary), in blocks.
template <class F>
double worst(F f, double (*reference)(double), float low, float high, uint64_t step = 1009) {
  std::vector<float> x, y;
  double bound = 0.0;
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += step) {
    const float v = std::bit_cast<float>(static_cast<uint32_t>(bits));
    if (v >= low && v <= high) x.push_back(v);
  }
  y.resize(x.size());
  f(x.data(), x.size(), y.data());
  for (size_t i = 0; i < x.size(); ++i)
    bound = test::worse(bound, ulps(y[i], reference(static_cast<double>(x[i]))));
  return bound;
}

}  // namespace

TEST_CASE("exp and erf keep their bounds over the floats") {
  const auto& k = nn::kernels(quant::best_isa());
  CHECK(worst(k.exp, std::exp, -87.29f, 88.0f) <= 1.1);
  CHECK(worst(k.erf, std::erf, -1e30f, 1e30f) <= 2.0);
  const float inf = std::numeric_limits<float>::infinity();
  const float x[5] = {-inf, -87.4f, 0.0f, -0.0f, inf};
  float y[5];
  k.exp(x, 5, y);
  CHECK(y[0] == 0.0f);
  CHECK(y[1] == 0.0f);
  CHECK(y[2] == 1.0f);
  CHECK(y[3] == 1.0f);
  CHECK(y[4] == doctest::Approx(std::exp(88.0)));
  k.erf(x, 5, y);
  CHECK(y[0] == -1.0f);
  CHECK(y[4] == 1.0f);
}

TEST_CASE("element-wise maps: against double, same bits on every ISA, ragged widths in place") {
  const nn::Executor one(1), two(2);
  for (const size_t cols : std::initializer_list<size_t>{1, 15, 16, 17, 31, 384, 1000}) {
    auto x = test::random(70, cols, 5, 3.0f, 3);
    test::Owned g(70, cols, 1), r(70, cols, 1);
    nn::activate(nn::Activation::gelu, x.view(), g.view(), one, quant::Isa::scalar);
    nn::relu_squared(x.view(), r.view(), one, quant::Isa::scalar);
    for (size_t i = 0; i < 70; ++i) {
      for (size_t j = 0; j < cols; ++j) {
        const double v = x.at(i, j);
        const double want = 0.5 * v * (1.0 + std::erf(v / std::sqrt(2.0)));
        CHECK(std::fabs(g.at(i, j) - want) <= std::ldexp(std::max(1.0, std::fabs(v)), -22));
        const float u = std::max(x.at(i, j), 0.0f);
        CHECK(r.at(i, j) == u * u);
      }
    }
    for (const auto isa : test::isas()) {
      test::Owned y(70, cols, 1);
      nn::activate(nn::Activation::gelu, x.view(), y.view(), two, isa);
      CHECK(test::same_bits(y.data, g.data));
      nn::relu_squared(x.view(), y.view(), two, isa);
      CHECK(test::same_bits(y.data, r.data));
      auto z = x;
      nn::activate(nn::Activation::gelu, z.view(), z.view(), two, isa);
      nn::add(x.view(), z.view(), two, isa);
      bool sums = true;
      for (size_t i = 0; i < 70; ++i)
        for (size_t j = 0; j < cols; ++j) sums &= z.at(i, j) == g.at(i, j) + x.at(i, j);
      CHECK(sums);
      CHECK(z.data[z.data.size() - 1] == -77.0f);  // padding is left alone
    }
  }
}

TEST_CASE("rounded kernels: against double, ragged, over all of their range") {
  constexpr size_t n = 4003;
  std::vector<float> x(n), y(n), scalar(n);
  for (size_t i = 0; i < n; ++i) {
    const float v = (static_cast<float>(i) - 2001.0f) / 100.0f;
    x[i] = i % 7 == 0 ? v * v * v * 100.0f : v;
  }
  for (const auto isa : test::isas()) {
    for (const auto f : {nn::Activation::gelu, nn::Activation::gelu_tanh,
                         nn::Activation::quick_gelu, nn::Activation::silu, nn::Activation::relu}) {
      nn::activation(f, quant::Isa::scalar)(x.data(), n, scalar.data());
      nn::rounded_activation(f, isa)(x.data(), n, y.data());
      double worst = 0;
      for (size_t i = 0; i < n; ++i)
        worst = test::worse(worst, std::fabs(double{y[i]} - scalar[i]) /
                                    std::max(1.0, std::fabs(double{x[i]})));
      CHECK(worst < std::ldexp(1.0, -12));
      for (const size_t some : std::initializer_list<size_t>{1, 15, 17, 40}) {  // in place
        std::vector<float> z(x.begin(), x.begin() + 50);
        nn::rounded_activation(f, isa)(z.data(), some, z.data());
        CHECK(std::equal(y.begin(), y.begin() + static_cast<ptrdiff_t>(some), z.begin()));
        CHECK(std::equal(x.begin() + static_cast<ptrdiff_t>(some), x.begin() + 50,
                         z.begin() + static_cast<ptrdiff_t>(some)));
      }
    }
    const nn::RoundedKernels* rounded = nn::rounded_kernels(isa);
    if (rounded == nullptr) continue;
    for (const size_t some : std::initializer_list<size_t>{1, 15, 16, 17, 256, 257}) {
      for (const float top : {-std::numeric_limits<float>::infinity(), 3.0f, 900.0f}) {
        float a = top, b = top;
        const auto& exact = nn::kernels(quant::Isa::scalar);
        const float want = exact.weigh(&x[1900], some, 0.3f, &a, &scalar[0]);
        const float sum = rounded->weigh(&x[1900], some, 0.3f, &b, &y[0]);
        CHECK(a == b);
        CHECK(std::fabs(sum - want) <= std::ldexp(want, -12));
        for (size_t i = 0; i < some; ++i)
          CHECK(std::fabs(y[i] - scalar[i]) <= std::ldexp(scalar[i], -12) + 1e-37f);
      }
    }
  }
}

TEST_CASE("activations of other networks: against double, same bits on every ISA") {
  const nn::Executor one(1), two(2);
  constexpr size_t n = 4001;
  test::Owned x(2, n);
  for (size_t i = 0; i < n; ++i) {
    x.at(0, i) = (static_cast<float>(i) - 2000.0f) / 100.0f;
    x.at(1, i) = (static_cast<float>(i) - 2000.0f) * 0.1f;  // to where exp ends
  }
  const auto sigmoid = [](double z) { return 1 / (1 + std::exp(-z)); };
  const auto expected = [&](nn::Activation f, double v) {
    const double u = std::sqrt(2 / 3.14159265358979323846) * (v + 0.044715 * v * v * v);
    switch (f) {
      case nn::Activation::gelu:
        return v / 2 * (1 + std::erf(v / std::sqrt(2.0)));
      case nn::Activation::gelu_tanh:
        return v / 2 * (1 + std::tanh(u));
      case nn::Activation::quick_gelu:
        return v * sigmoid(1.702 * v);
      case nn::Activation::silu:
        return v * sigmoid(v);
      case nn::Activation::relu:
        break;
    }
    return std::max(v, 0.0);
  };
  for (const auto f : {nn::Activation::gelu, nn::Activation::gelu_tanh, nn::Activation::quick_gelu,
                       nn::Activation::silu, nn::Activation::relu}) {
    test::Owned want(2, n);
    nn::activate(f, x.view(), want.view(), one, quant::Isa::scalar);
    double worst = 0;
    for (size_t r = 0; r < 2; ++r)
      for (size_t i = 0; i < n; ++i) {
        const double v = x.at(r, i);
        worst = test::worse(worst,
                         std::fabs(want.at(r, i) - expected(f, v)) / std::max(1.0, std::fabs(v)));
      }
    CHECK(worst < std::ldexp(1.0, -21));
    for (const auto isa : test::isas()) {
      test::Owned y(2, n);
      nn::activate(f, x.view(), y.view(), two, isa);
      CHECK(test::same_bits(y.data, want.data));
    }
  }
  for (const auto isa : test::isas()) {
    auto y = test::random(3, 37, 8);
    const auto was = y;
    auto gate = test::random(3, 37, 9);
    nn::multiply(gate.view(), y.view(), two, isa);
    for (size_t i = 0; i < y.data.size(); ++i) CHECK(y.data[i] == was.data[i] * gate.data[i]);
  }
}
