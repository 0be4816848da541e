// Ternary integers of networks that were trained in float: scales of least squares, error feedback.
#include <doctest/doctest.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>
#include <tests/support/folder.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "models/gptq.h"

using namespace sterna;
using namespace sterna::models;
using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

std::vector<float> normal(size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> d(0, 1);
  std::vector<float> v(n);
  for (float& x : v) x = d(random);
  return v;
}

Index index(size_t n) { return static_cast<Index>(n); }

/// E[x x^T] of inputs that are mixtures of few sources: what activations look like.
std::vector<double> moments(size_t k, unsigned seed) {
  const size_t tokens = 4 * k;
  const auto source = normal(tokens * k, seed), mix = normal(k * k, seed + 1);
  const Eigen::Map<const Eigen::MatrixXf> s(source.data(), index(tokens), index(k));
  const Eigen::Map<const Eigen::MatrixXf> a(mix.data(), index(k), index(k));
  MatrixXd x = s.cast<double>() * a.cast<double>();
  for (Index c = 0; c < x.cols(); c += 9) x.col(c) *= 4;
  const MatrixXd h = x.transpose() * x / static_cast<double>(tokens);
  return {h.data(), h.data() + h.size()};
}

/// sum over rows of e H e^T with the damping of gptq().
double loss(const std::vector<float>& w, std::span<const int8_t> q, std::span<const uint16_t> scale,
            size_t m, size_t k, const std::vector<double>& h, size_t group) {
  MatrixXd damped = Eigen::Map<const MatrixXd>(h.data(), index(k), index(k));
  damped += 0.01 * damped.diagonal().mean() * MatrixXd::Identity(index(k), index(k));
  const size_t groups = quant::group_count(k, group), step = group == 0 ? k : group;
  double sum = 0;
  for (size_t r = 0; r < m; ++r) {
    VectorXd e(index(k));
    for (size_t c = 0; c < k; ++c) {
      const auto s = static_cast<double>(quant::f16_to_f32(scale[r * groups + c / step]));
      e(index(c)) = static_cast<double>(w[r * k + c]) - q[r * k + c] * s;
    }
    sum += e.dot(damped * e);
  }
  return sum;
}

struct Case {
  size_t m, k, group;
  quant::Type type;
};

/// loss() of what pack() makes of w.
double packed_loss(const Case& c, const std::vector<float>& w, const std::vector<double>& h) {
  const quant::Packed plain = quant::pack(c.type, w, c.m, c.k, c.group);
  std::vector<int8_t> q(c.m * c.k);
  quant::unpack_integers({c.type, c.m, c.k, plain.data, plain.scale, c.group}, q);
  return loss(w, q, plain.scale, c.m, c.k, h, c.group);
}

/// Whether the integers pack, and read back as they were.
bool comes_back(const Case& c, const Rounded& r) {
  const quant::Packed packed = quant::pack_integers(c.type, r.q, r.scale, c.m, c.k, c.group);
  std::vector<int8_t> q(c.m * c.k);
  quant::unpack_integers({c.type, c.m, c.k, packed.data, packed.scale, c.group}, q);
  return q == r.q;
}

}  // namespace

TEST_CASE("ternary: feedback errs less than refitted scales, and those less than mean magnitudes") {
  for (const Case& c : {Case{16, 96, 0, quant::Type::t5}, Case{9, 200, 64, quant::Type::t5},
                        Case{5, 130, 128, quant::Type::t2}, Case{1, 3, 0, quant::Type::t2}}) {
    CAPTURE(c.k);
    CAPTURE(c.group);
    const auto w = normal(c.m * c.k, 3);
    const auto h = moments(c.k, 5);
    const Rounded r = gptq(w, c.m, c.k, h, c.group, c.type);
    CHECK(std::all_of(r.q.begin(), r.q.end(), [](int8_t q) { return q >= -1 && q <= 1; }));
    CHECK(r.error == doctest::Approx(loss(w, r.q, r.scale, c.m, c.k, h, c.group)).epsilon(1e-6));
    CHECK(r.error <= r.refitted);
    CHECK(r.refitted <= r.nearest);

    CHECK(r.nearest == doctest::Approx(packed_loss(c, w, h)).epsilon(1e-6));
    if (c.k < 90) continue;
    CHECK(r.refitted < 0.9 * r.nearest);  // normal weights want a larger scale than the mean's
    CHECK(r.error < 0.8 * r.refitted);    // and inputs that hang together help much
    CHECK(comes_back(c, r));
  }
}

TEST_CASE("patterns: four at a time by what they cost errs less than the largest of each four") {
  for (const quant::Type type : {quant::Type::t34, quant::Type::t14}) {
    for (const Case& c : {Case{16, 96, 0, type}, Case{9, 202, 64, type}, Case{3, 131, 128, type},
                          Case{1, 3, 0, type}, Case{2, 4, 0, type}}) {
      CAPTURE(quant::name(type));
      CAPTURE(c.k);
      const auto w = normal(c.m * c.k, 3);
      const auto h = moments(c.k, 5);
      const Rounded r = gptq(w, c.m, c.k, h, c.group, c.type);
      CHECK(r.error == doctest::Approx(loss(w, r.q, r.scale, c.m, c.k, h, c.group)).epsilon(1e-6));
      CHECK(r.error <= r.refitted);
      CHECK(r.refitted <= r.nearest);
      CHECK(r.nearest == doctest::Approx(packed_loss(c, w, h)).epsilon(1e-6));
      CHECK(comes_back(c, r));  // every four are a pattern, or they would not pack
      if (c.k >= 90) CHECK(r.error < 0.8 * r.refitted);
    }
  }
}

TEST_CASE("patterns: with inputs that do not hang together the best pattern is the nearest") {
  const size_t m = 4, k = 40;
  const auto w = normal(m * k, 9);
  std::vector<double> h(k * k);
  for (size_t i = 0; i < k; ++i) h[i * k + i] = 1;
  const Rounded r = gptq(w, m, k, h, 0, quant::Type::t34);
  for (size_t i = 0; i < m * k; i += 4) {
    size_t least = i;
    for (size_t j = i; j < i + 4; ++j)
      if (std::abs(w[j]) < std::abs(w[least])) least = j;
    for (size_t j = i; j < i + 4; ++j)
      CHECK(r.q[j] == (j == least ? 0 : w[j] < 0 ? -1 : 1));
  }
}

TEST_CASE("ternary: weights that are ternary come back, whatever the inputs are") {
  const size_t m = 6, k = 60;
  std::mt19937 random(7);
  std::vector<float> w(m * k);
  for (size_t i = 0; i < w.size(); ++i)
    w[i] = 0.25F * static_cast<float>(i / k + 1) * (static_cast<float>(random() % 3) - 1.0F);
  const Rounded r = gptq(w, m, k, moments(k, 11), 0, quant::Type::t5);
  CHECK(r.error <= 1e-12 * r.nearest);
  for (size_t i = 0; i < w.size(); ++i)
    CHECK(static_cast<float>(r.q[i]) * quant::f16_to_f32(r.scale[i / k]) == w[i]);
}

TEST_CASE("ternary: rows of zeros, inputs that never vary, types without integers") {
  const size_t m = 3, k = 20;
  auto w = normal(m * k, 31);
  std::fill(w.begin() + k, w.begin() + 2 * k, 0.0F);
  const std::vector<double> nothing(k * k);
  const Rounded r = gptq(w, m, k, nothing, 0, quant::Type::t5);
  CHECK(r.error <= r.nearest);
  CHECK(r.scale[1] == 0);
  CHECK(std::all_of(r.q.begin() + k, r.q.begin() + 2 * k, [](int8_t q) { return q == 0; }));
  const std::string message =
      test::message_of<Error>([&] { gptq(w, m, k, nothing, 0, quant::Type::bf16); });
  CHECK(message == "calibrated rounding: expected i8, t2, t5, t34 or t14, found bf16");
}
