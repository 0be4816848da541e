#include <doctest/doctest.h>
#include <sterna/nn/linear.h>
#include <sterna/nn/precise_linear.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>
#include <tests/support/worse.h>

#include <cmath>
#include <cstring>

#include "common.h"

using namespace sterna;

namespace {

/// Random weights [m, k] in int8, and as what they are kept.
struct Int8Weights {
  quant::Packed packed;
  quant::WeightView view;
  std::vector<float> kept;

  Int8Weights(size_t m, size_t k)
      : packed(quant::pack(quant::Type::i8, test::random(m, k, 1).data, m, k)), kept(m * k) {
    const auto room = memory_.mat<float>(1, packed.data.size() / 4 + 1);  // 64-byte aligned
    std::memcpy(room.data, packed.data.data(), packed.data.size());
    view = {quant::Type::i8, m, k,
            {reinterpret_cast<const std::byte*>(room.data), packed.data.size()}, packed.scale, 0};
    quant::dequantise(view, kept);
  }

 private:
  nn::Workspace memory_;
};

}  // namespace

TEST_CASE("PreciseLinear: outliers lose nothing more than the weights' own rounding") {
  const nn::Executor one(1), two(2);
  nn::Workspace workspace;
  for (const size_t k : std::initializer_list<size_t>{5, 64, 384}) {
    const size_t m = 50;
    const auto bias = test::random(1, m, 2, 3.0f).data;
    const Int8Weights weights(m, k);
    const quant::WeightView& view = weights.view;
    const std::vector<float>& kept = weights.kept;
    for (const size_t n : std::initializer_list<size_t>{1, 12, 130}) {
      auto x = test::random(n, k, 3);
      for (size_t i = 0; i < n; i += 2) x.at(i, i % k) = 40.0f;  // an outlier channel
      if (n > 5)
        for (size_t j = 0; j < k; ++j) x.at(5, j) = 0.0f;
      test::Owned plain(n, m), first(n, m);
      nn::apply(quant::Linear(view, bias), x.view(), plain.view(), one, workspace);
      double worst = 0.0, worst_plain = 0.0;
      size_t precise = 0;
      for (const auto isa : test::isas()) {
        const nn::PreciseLinear linear(quant::Linear(view, bias, isa));
        test::Owned y(n, m);
        nn::apply(linear, x.view(), y.view(), two, workspace, isa);
        if (isa == quant::Isa::scalar) first = y;
        CHECK(test::same_bits(y.data, first.data));
      }
      for (size_t i = 0; i < n; ++i) {
        double top = 1e-9, power = 1e-18;
        for (size_t j = 0; j < k; ++j) {
          top = std::max(top, std::fabs(double{x.at(i, j)}));
          power += double{x.at(i, j)} * x.at(i, j) / static_cast<double>(k);
        }
        if (top * top / power <= double{nn::PreciseLinear::kOneDigitPeakPower}) {
          CHECK(std::memcmp(&first.at(i, 0), &plain.at(i, 0), m * sizeof(float)) == 0);
          continue;
        }
        ++precise;
        for (size_t r = 0; r < m; ++r) {
          double sum = bias[r], size = 0.0;
          for (size_t j = 0; j < k; ++j) {
            sum += double{x.at(i, j)} * kept[r * k + j];
            size += std::fabs(double{kept[r * k + j]});
          }
          // Half a step of the second digit on every input, and f32 sums around it.
          const double unit = top * size / 127.0 / 254.0 / 2.0 + 1e-5 * (1.0 + std::fabs(sum));
          worst = test::worse(worst, std::fabs(first.at(i, r) - sum) / unit);
          worst_plain = std::max(worst_plain, std::fabs(plain.at(i, r) - sum) / unit);
        }
      }
      CHECK(worst <= 1.1);
      CHECK(precise == (k < 64 ? 0 : (n + 1) / 2));
      if (k >= 64) CHECK(worst_plain > 5.0);  // one digit would not do
    }
  }
}

TEST_CASE("PreciseLinear: two digits of every token where that is asked for") {
  const nn::Executor one(1), two(2);
  nn::Workspace workspace;
  const size_t m = 50, k = 96, n = 33;
  const Int8Weights weights(m, k);
  const std::vector<float>& kept = weights.kept;
  auto x = test::random(n, k, 3);  // no outliers
  // The error's share of y: one digit errs by about 1 % of a token.
  const auto error = [&](test::Owned& y) {
    double wrong = 0.0, all = 0.0;
    for (size_t i = 0; i < n; ++i) {
      for (size_t r = 0; r < m; ++r) {
        double sum = 0.0;
        for (size_t j = 0; j < k; ++j) sum += double{x.at(i, j)} * kept[r * k + j];
        wrong += (y.at(i, r) - sum) * (y.at(i, r) - sum), all += sum * sum;
      }
    }
    return std::sqrt(wrong / all);
  };
  test::Owned first(n, m);
  for (const auto isa : test::isas()) {
    const nn::PreciseLinear linear(quant::Linear(weights.view, {}, isa));
    test::Owned coarse(n, m), fine(n, m), beside(n, m);
    nn::apply(linear, x.view(), coarse.view(), one, workspace, isa);
    const nn::PreciseProduct maps[] = {{&linear, fine.view()}, {&linear, beside.view()}};
    nn::apply(maps, x.view(), two, workspace, isa, nn::SecondDigit::all);
    CHECK(test::same_bits(fine.data, beside.data));
    if (isa == quant::Isa::scalar) first = fine;
    CHECK(test::same_bits(fine.data, first.data));
    CHECK(error(coarse) > 1e-3);
    CHECK(error(fine) < 3e-5);
  }
}

TEST_CASE("PreciseLinear with float weights is the plain map, and refuses other shapes") {
  const nn::Executor one(1);
  nn::Workspace workspace;
  const auto w = test::random(7, 9, 1).data;
  const quant::Linear linear(
      quant::WeightView{quant::Type::f32, 7, 9, std::as_bytes(std::span(w)), {}, 0});
  const nn::PreciseLinear precise(linear);
  auto x = test::random(3, 9, 2);
  test::Owned a(3, 7), b(3, 7), wrong(3, 6);
  nn::apply(linear, x.view(), a.view(), one, workspace);
  nn::apply(precise, x.view(), b.view(), one, workspace);
  CHECK(test::same_bits(a.data, b.data));
  CHECK_THROWS_AS(nn::apply(precise, x.view(), wrong.view(), one, workspace), Error);
}
