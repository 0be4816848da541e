#include <doctest/doctest.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>
#include <tests/support/folder.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "models/gptq.h"
#include "models/input_moments.h"

using namespace sterna;
using namespace sterna::models;
using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

constexpr double kDamping = 0.01;

std::vector<float> normal(size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> d(0, 1);
  std::vector<float> v(n);
  for (float& x : v) x = d(random);
  return v;
}

Index index(size_t n) { return static_cast<Index>(n); }

/// Covariance of `tokens` inputs that are mixtures of few sources, with some columns much larger:
/// what a text tower's activations look like.
std::vector<double> covariance(size_t k, size_t tokens, unsigned seed) {
  const auto source = normal(tokens * k, seed), mix = normal(k * k, seed + 1);
  const Eigen::Map<const Eigen::MatrixXf> s(source.data(), index(tokens), index(k));
  const Eigen::Map<const Eigen::MatrixXf> a(mix.data(), index(k), index(k));
  MatrixXd x = s.cast<double>() * (a.cast<double>() + 2 * MatrixXd::Ones(index(k), index(k)));
  for (Index c = 0; c < x.cols(); c += 7) x.col(c) *= 10;
  x.rowwise() -= x.colwise().mean().eval();
  const MatrixXd h = x.transpose() * x / static_cast<double>(tokens);
  return {h.data(), h.data() + h.size()};
}

MatrixXd damped(const std::vector<double>& h, size_t k) {
  const MatrixXd m = Eigen::Map<const MatrixXd>(h.data(), index(k), index(k));
  if (m.isZero(0)) return MatrixXd::Identity(index(k), index(k));
  return m + kDamping * m.diagonal().mean() * MatrixXd::Identity(index(k), index(k));
}

double scale_of(const Rounded& r, size_t row, size_t column, size_t k, size_t group) {
  const size_t groups = quant::group_count(k, group);
  const size_t g = group == 0 ? 0 : column / group;
  return static_cast<double>(quant::f16_to_f32(r.scale[row * groups + g]));
}

/// sum over rows of e H e^T.
double loss(const std::vector<float>& w, const Rounded& r, size_t m, size_t k,
            const std::vector<double>& h, size_t group) {
  const MatrixXd moments = damped(h, k);
  double sum = 0;
  for (size_t row = 0; row < m; ++row) {
    VectorXd e(index(k));
    for (size_t c = 0; c < k; ++c)
      e(index(c)) =
          static_cast<double>(w[row * k + c]) - r.q[row * k + c] * scale_of(r, row, c, k, group);
    sum += e.dot(moments * e);
  }
  return sum;
}

/// Algorithm 1 of the paper as it reads, a row at a time: the inverse of H, and after every column
/// the elimination of that column from it.
std::vector<int> textbook(std::span<const float> w, const Rounded& r, size_t row, size_t k,
                          const std::vector<double>& h, size_t group) {
  const MatrixXd moments = damped(h, k);
  MatrixXd inverse = moments.inverse();
  std::vector<size_t> order(k);
  std::iota(order.begin(), order.end(), size_t{0});
  std::reverse(order.begin(), order.end());
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return h[a * k + a] > h[b * k + b]; });
  VectorXd rest(index(k));
  for (size_t c = 0; c < k; ++c) rest(index(c)) = static_cast<double>(w[c]);
  std::vector<int> q(k);
  for (const size_t j : order) {
    const Index c = index(j);
    const double s = scale_of(r, row, j, k, group);
    const double v = s > 0 ? std::clamp(std::nearbyint(rest(c) / s), -127.0, 127.0) : 0;
    q[j] = static_cast<int>(v);
    rest -= (rest(c) - v * s) / inverse(c, c) * inverse.col(c);
    const VectorXd column = inverse.col(c);
    inverse -= column * column.transpose() / column(c);
    // What is rounded stays: its column is zero now, up to rounding.
    inverse.col(c).setZero();
    inverse.row(c).setZero();
  }
  return q;
}

std::string error(auto f) { return test::message_of<Error>(f); }

}  // namespace

TEST_CASE("the textbook's integers, for the scales that were chosen") {
  for (const size_t group : {size_t{0}, size_t{64}}) {
    const size_t m = 6, k = 90;
    const auto w = normal(m * k, 3);
    const auto h = covariance(k, 200, 5);
    const Rounded r = gptq(w, m, k, h, group);
    REQUIRE(r.q.size() == m * k);
    REQUIRE(r.scale.size() == m * quant::group_count(k, group));
    size_t different = 0;
    for (size_t row = 0; row < m; ++row) {
      const auto expected = textbook(std::span(w).subspan(row * k, k), r, row, k, h, group);
      for (size_t c = 0; c < k; ++c) different += expected[c] != r.q[row * k + c];
    }
    CHECK(different == 0);
  }
}

TEST_CASE("never a larger error than rounding to nearest, and the error it says") {
  struct Case {
    size_t m, k, tokens, group;
  };
  for (const Case& c : std::initializer_list<Case>{{1, 1, 50, 0},
                                                   {3, 16, 400, 0},
                                                   {17, 65, 300, 0},
                                                   {4, 130, 300, 64},
                                                   {5, 70, 12, 0},       // rank-deficient
                                                   {5, 128, 2, 128}}) {  // rank one
    CAPTURE(c.m);
    CAPTURE(c.k);
    CAPTURE(c.tokens);
    const auto w = normal(c.m * c.k, 11);
    const auto h = covariance(c.k, c.tokens, 7);
    const Rounded r = gptq(w, c.m, c.k, h, c.group);
    const quant::Packed packed = quant::pack(quant::Type::i8, w, c.m, c.k, c.group);
    Rounded nearest{std::vector<int8_t>(c.m * c.k), packed.scale};
    quant::unpack_integers({quant::Type::i8, c.m, c.k, packed.data, packed.scale, c.group},
                           nearest.q);
    CHECK(r.nearest == doctest::Approx(loss(w, nearest, c.m, c.k, h, c.group)).epsilon(1e-6));
    CHECK(r.error == doctest::Approx(loss(w, r, c.m, c.k, h, c.group)).epsilon(1e-6));
    CHECK(r.error <= r.nearest);
    if (c.k > 1) CHECK(r.error < 0.8 * r.nearest);  // inputs that hang together help much
  }
}

TEST_CASE("independent inputs: no column can make up for another") {
  const size_t m = 8, k = 40;
  const auto w = normal(m * k, 21);
  std::vector<double> h(k * k);
  for (size_t c = 0; c < k; ++c) h[c * k + c] = 1.0 + static_cast<double>(c % 5);
  const Rounded r = gptq(w, m, k, h);
  for (size_t i = 0; i < m * k; ++i) {
    const double s = scale_of(r, i / k, 0, k, 0);
    const double exact = static_cast<double>(w[i]) / s;
    CHECK(r.q[i] == static_cast<int>(std::clamp(std::nearbyint(exact), -127.0, 127.0)));
  }
  CHECK(r.error <= r.nearest);
}

TEST_CASE("inputs that never vary, one token, columns and rows of zeros") {
  const size_t m = 3, k = 20;
  auto w = normal(m * k, 31);
  for (size_t c = 0; c < k; ++c) w[k + c] = 0;  // a row of zeros
  InputMoments one(k);
  const auto token = normal(k, 33);
  const float weight = 1;
  one.add({token.data(), 1, k}, {&weight, 1});
  const auto nothing = one.covariance();
  CHECK(std::all_of(nothing.begin(), nothing.end(), [](double v) { return v == 0; }));
  const auto mean = one.mean();
  for (size_t c = 0; c < k; ++c) CHECK(mean[c] == doctest::Approx(static_cast<double>(token[c])));

  auto some = covariance(k, 100, 35);
  for (size_t c = 0; c < k; ++c) some[4 * k + c] = some[c * k + 4] = 0;  // a column of zeros
  for (const auto& h : {nothing, some}) {
    const Rounded r = gptq(w, m, k, h);
    CHECK(r.error <= r.nearest);
    CHECK(r.scale[1] == 0);
    CHECK(std::all_of(r.q.begin() + k, r.q.begin() + 2 * k, [](int8_t q) { return q == 0; }));
    for (size_t c = 0; c < k; ++c) {
      const double s = scale_of(r, 0, c, k, 0);
      CHECK(std::fabs(static_cast<double>(w[c]) - r.q[c] * s) <= 20 * s);
    }
  }
  InputMoments none(k);
  none.add({nullptr, 0, k}, {});
  CHECK(none.mean() == std::vector<double>(k));
  CHECK(none.covariance() == std::vector<double>(k * k));
}

TEST_CASE("moments of inputs that lie far from zero, in batches, with weights") {
  const size_t k = 9, tokens = 700;
  auto x = normal(tokens * k, 41);
  for (size_t i = 0; i < x.size(); ++i) x[i] = x[i] * 0.5f + (i % k == 3 ? 300.0f : 1.0f);
  std::vector<float> weights(tokens);
  for (size_t t = 0; t < tokens; ++t) weights[t] = 1.0f / static_cast<float>(1 + t % 13);

  InputMoments moments(k);
  for (size_t first = 0; first < tokens; first += 299) {
    const size_t count = std::min<size_t>(299, tokens - first);
    moments.add({x.data() + first * k, count, k}, std::span(weights).subspan(first, count));
  }
  VectorXd mean = VectorXd::Zero(index(k));
  double total = 0;
  const auto row = [&](size_t t) {
    return Eigen::Map<const Eigen::VectorXf>(x.data() + t * k, index(k)).cast<double>().eval();
  };
  for (size_t t = 0; t < tokens; ++t) {
    mean += static_cast<double>(weights[t]) * row(t);
    total += static_cast<double>(weights[t]);
  }
  mean /= total;
  MatrixXd h = MatrixXd::Zero(index(k), index(k));
  for (size_t t = 0; t < tokens; ++t)
    h += static_cast<double>(weights[t]) / total * (row(t) - mean) * (row(t) - mean).transpose();
  const auto m = moments.mean(), c = moments.covariance();
  // Sums of 256 products in float err by at most 256 eps of their sizes.
  for (size_t i = 0; i < k; ++i) CHECK(m[i] == doctest::Approx(mean(index(i))).epsilon(1e-5));
  for (size_t i = 0; i < k * k; ++i) {
    const double found = c[i], expected = h.data()[i];
    CHECK(std::fabs(found - expected) <= 256 * 0x1p-24 * h.diagonal().maxCoeff());
    CHECK(c[i] == c[i % k * k + i / k]);  // symmetric
  }
}

TEST_CASE("what can't be rounded") {
  const std::vector<double> h = {1, 0, 0, 1};
  std::vector<float> w = {1, 2, 3, 4};
  CHECK(error([&] { gptq(w, 2, 3, h); }).find("expected weights [2, 3]") != std::string::npos);
  CHECK(error([&] { gptq(w, 2, 2, h, 32); }).find("group 0, 64") != std::string::npos);
  CHECK(error([&] { gptq({}, 0, 0, {}); }).find("found 0 and 0 numbers") != std::string::npos);
  CHECK(error([&] {
          gptq(w, 2, 2, std::vector<double>{1, 2, 2, 1});
        }).find("semidefinite") != std::string::npos);
  w[1] = std::numeric_limits<float>::infinity();
  CHECK(error([&] { gptq(w, 2, 2, h); }).find("finite") != std::string::npos);
  InputMoments moments(2);
  const float one[2] = {1, 1};
  CHECK(error([&] {
          moments.add({w.data(), 1, 2}, {one, 1});
        }).find("finite inputs") != std::string::npos);
  CHECK(error([&] {
          moments.add({w.data(), 1, 2}, {one, 2});
        }).find("as many weights as rows") != std::string::npos);
}
