#include <doctest/doctest.h>
#include <sterna/quant/error.h>
#include <sterna/vision/semantic.h>
#include <tests/nn/common.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

using namespace sterna;
using vision::SemanticHead;

namespace {

constexpr size_t kClasses = 23, kWidth = 12, kDim = 20;

struct Fixture {
  std::vector<float> w = test::random(kClasses, kWidth, 1).data;
  std::vector<float> bias = test::random(1, kClasses, 2).data;
  std::vector<float> names = test::random(kClasses, kDim, 3).data;
  quant::Linear classifier() const {
    return {{quant::Type::f32, kClasses, kWidth, std::as_bytes(std::span(w)), {}, 0}, bias};
  }
  nn::RowTable table() const { return {names, kClasses, kDim}; }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture,
                  "meanings mix the names of the likeliest classes; equal ones by number") {
  // Classes 5, 9 and 14 are the same in everything but name: only the first two fit into the top.
  for (const size_t twin : {9U, 14U}) {
    std::copy_n(&w[5 * kWidth], kWidth, &w[twin * kWidth]);
    bias[twin] = bias[5];
  }
  const auto x = test::random(4, kWidth, 4).data;
  for (size_t top = 1; top <= 4; ++top) {
    CAPTURE(top);
    const SemanticHead head(classifier(), table(), top);
    const nn::Executor executor(1);
    nn::Workspace workspace;
    // Into columns of a wider matrix, as the tower does.
    std::vector<float> out(4 * (kDim + 2), -7.0f);
    const nn::Mat<float> all(out.data(), 4, kDim + 2);
    head.forward({x.data(), 4, kWidth}, all.slice_cols(0, kDim), all.slice_cols(kDim, 2), executor,
                 workspace);
    for (size_t i = 0; i < 4; ++i) {
      std::vector<double> p(kClasses);
      for (size_t c = 0; c < kClasses; ++c) {
        p[c] = bias[c];
        for (size_t j = 0; j < kWidth; ++j) {
          p[c] += static_cast<double>(w[c * kWidth + j]) * static_cast<double>(x[i * kWidth + j]);
        }
      }
      const double most = *std::max_element(p.begin(), p.end());
      double sum = 0;
      for (double& v : p) sum += v = std::exp(v - most);
      std::vector<size_t> order(kClasses);
      std::iota(order.begin(), order.end(), 0);
      // Equal up to rounding: the twins are bit-equal in the head and here differ in nothing.
      std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] > p[b]; });
      std::vector<double> s(kDim);
      double share = 0;
      for (size_t k = 0; k < top; ++k) {
        share += p[order[k]] / sum;
        for (size_t j = 0; j < kDim; ++j)
          s[j] += p[order[k]] * static_cast<double>(names[order[k] * kDim + j]);
      }
      const double norm = std::sqrt(std::inner_product(s.begin(), s.end(), s.begin(), 0.0));
      for (size_t j = 0; j < kDim; ++j) {
        CHECK(std::fabs(static_cast<double>(all.row(i)[j]) - s[j] / norm) < 2e-6);
      }
      CHECK(all.row(i)[kDim] == doctest::Approx(1.0 / sum).epsilon(1e-5));
      CHECK(all.row(i)[kDim + 1] == doctest::Approx(share).epsilon(1e-5));
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "places seen in parts mix what the parts' mean probabilities say") {
  constexpr size_t g = 3, d = 2;
  const SemanticHead head(classifier(), table(), 4);
  const nn::Executor executor(2);
  nn::Workspace workspace;
  const auto x = test::random(g * d * g * d, kWidth, 5).data;
  const nn::Mat<const float> parts(x.data(), g * d * g * d, kWidth);
  std::vector<float> out(g * g * kDim);
  head.forward_parts(parts, d, {out.data(), g * g, kDim}, executor, workspace);
  for (size_t place = 0; place < g * g; ++place) {
    std::vector<double> p(kClasses);
    for (size_t part = 0; part < d * d; ++part) {
      const size_t row = place / g * d + part / d, column = place % g * d + part % d;
      const float* f = parts.row(row * g * d + column);
      std::vector<double> q(kClasses);
      for (size_t c = 0; c < kClasses; ++c) {
        q[c] = bias[c];
        for (size_t j = 0; j < kWidth; ++j)
          q[c] += static_cast<double>(w[c * kWidth + j]) * static_cast<double>(f[j]);
        q[c] = std::exp(q[c]);
      }
      const double sum = std::accumulate(q.begin(), q.end(), 0.0);
      for (size_t c = 0; c < kClasses; ++c) p[c] += q[c] / sum;
    }
    std::vector<size_t> order(kClasses);
    std::iota(order.begin(), order.end(), 0);
    std::ranges::sort(order, [&](size_t a, size_t b) { return p[a] > p[b]; });
    std::vector<double> s(kDim);
    for (size_t k = 0; k < 4; ++k) {
      for (size_t j = 0; j < kDim; ++j)
        s[j] += p[order[k]] * static_cast<double>(names[order[k] * kDim + j]);
    }
    const double norm = std::sqrt(std::inner_product(s.begin(), s.end(), s.begin(), 0.0));
    for (size_t j = 0; j < kDim; ++j)
      CHECK(std::fabs(static_cast<double>(out[place * kDim + j]) - s[j] / norm) < 2e-6);
  }
  // Parts that are all one place's are that place's own reading.
  std::vector<float> whole(g * g * kDim), alone(g * g * kDim), confidence(2 * g * g);
  const nn::Mat<const float> first(x.data(), g * g, kWidth);
  head.forward_parts(first, 1, {whole.data(), g * g, kDim}, executor, workspace);
  head.forward(first, {alone.data(), g * g, kDim}, {confidence.data(), g * g, 2}, executor,
               workspace);
  CHECK(test::same_bits(whole, alone));
  CHECK_THROWS_AS(head.forward_parts(parts, 3, {out.data(), g * g, kDim}, executor, workspace),
                  Error);
}

TEST_CASE_FIXTURE(Fixture, "a head whose table or top does not fit its classes is refused") {
  CHECK_THROWS_AS(SemanticHead(classifier(), table(), 0), Error);
  CHECK_THROWS_AS(SemanticHead(classifier(), table(), kClasses + 1), Error);
  const auto fewer = std::span<const float>(names).first((kClasses - 1) * kDim);
  const nn::RowTable shorter(fewer, kClasses - 1, kDim);
  CHECK_THROWS_AS(SemanticHead(classifier(), shorter, 3), Error);
}
