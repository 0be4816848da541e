#include <doctest/doctest.h>
#include <predictor/grounded.h>
#include <tests/nn/common.h>
#include <tests/support/worse.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

using namespace sterna;
using nn::Mat;
using predictor::kLayout;
using predictor::kPlaceFound;
using predictor::kWordFound;
using predictor::Query;

namespace {

struct Found {
  std::vector<float> places, words;
};

Found found(const Query& q, quant::Isa isa = quant::Isa::scalar) {
  nn::Workspace workspace;
  Found out{std::vector<float>(q.meaning.rows * kPlaceFound, NAN),
            std::vector<float>(q.question.rows * kWordFound, NAN)};
  predictor::grounded(q, {out.places.data(), q.meaning.rows, kPlaceFound},
                      {out.words.data(), q.question.rows, kWordFound}, workspace, isa);
  return out;
}

double cosine(const std::vector<double>& a, const std::vector<double>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) ab += a[i] * b[i], aa += a[i] * a[i], bb += b[i] * b[i];
  return ab / std::sqrt(aa * bb);
}

std::vector<double> row(Mat<const float> m, size_t i) {
  return {m.row(i), m.row(i) + m.cols};
}

/// Rows of the unit vectors `axes` of `dim` numbers.
std::vector<float> along(const std::vector<size_t>& axes, size_t dim) {
  std::vector<float> out(axes.size() * dim, 0.0F);
  for (size_t i = 0; i < axes.size(); ++i) out[i * dim + axes[i]] = 1;
  return out;
}

}  // namespace

TEST_CASE(
    "grounded: a word is told where the place lies that means it, and the place that it is asked "
    "for") {
  constexpr size_t dim = 16, side = 5;
  // The picture and most places mean 0; place 13 (row 2, column 3) means 5, place 4 (row 0,
  // column 4) means 6.
  std::vector<size_t> means(1 + side * side, 0);
  means[1 + 13] = 5;
  means[1 + 4] = 6;
  const auto meaning = along(means, dim), words = along({5, 6, 9}, dim);
  const Mat<const float> seen(meaning.data(), means.size(), dim);
  const Found f = found({{words.data(), 3, dim}, seen, seen, side});
  const float* const first = f.words.data();
  CHECK(first[0] == doctest::Approx(1.0 / 5 * 5).epsilon(1e-3));
  CHECK(std::fabs(first[1]) < 1e-3F);
  CHECK(first[kLayout] == doctest::Approx(5 * 24.0 / 25).epsilon(1e-5));
  CHECK(first[kLayout + 1] == doctest::Approx(5 * 1.0 / 25).epsilon(1e-5));
  const float* const second = f.words.data() + kWordFound;
  CHECK(second[0] == doctest::Approx(2.0 / 5 * 5).epsilon(1e-3));
  CHECK(second[1] == doctest::Approx(-2.0 / 5 * 5).epsilon(1e-3));
  const float* const nowhere = f.words.data() + 2 * kWordFound;  // equal shares
  CHECK(std::fabs(nowhere[0]) < 1e-5F);
  CHECK(nowhere[4] == doctest::Approx(1).epsilon(1e-5));
  CHECK(nowhere[kLayout] == 0);
  for (size_t t = 0; t < means.size(); ++t) {
    CAPTURE(t);
    const bool asked = t == 1 + 13 || t == 1 + 4;
    CHECK((f.places[t * 2 + 1] > 4) == asked);
    CHECK((f.places[t * 2] > 2) == asked);  // 5 / sqrt(3), less the mean
  }
}

TEST_CASE("grounded: as the definition says on ragged sizes, on every instruction set") {
  for (const auto& [places, dim, length] :
       {std::array<size_t, 3>{6, 7, 1}, {12, 33, 4}, {81, 384, 9}}) {
    auto meaning = test::random(places + 1, dim, 3), words = test::random(length, dim, 4);
    const Query q{words.view(), meaning.view(), meaning.view(), 3};
    const Found f = found(q);
    for (const quant::Isa isa : test::isas()) {
      const Found other = found(q, isa);
      CHECK(test::same_bits(f.words, other.words));
      CHECK(test::same_bits(f.places, other.places));
    }
    std::vector<double> sum(dim, 0.0), best(places + 1, -2.0);
    double most = 0;
    for (size_t j = 0; j <= length; ++j) {
      const bool whole = j == length;
      const std::vector<double> h = whole ? sum : row(q.question, j);
      std::vector<double> c;
      for (size_t t = 0; t <= places; ++t) c.push_back(cosine(h, row(q.meaning, t)));
      double mean = 0;
      for (size_t t = 1; t <= places; ++t) mean += c[t] / static_cast<double>(places);
      std::vector<float> scores;
      for (size_t t = 0; t <= places; ++t) {
        const double at = 5 * (c[t] - mean);
        if (whole) most = test::worse(most, std::fabs(at - static_cast<double>(f.places[t * 2])));
        best[t] = std::max(best[t], whole ? best[t] : at);
        if (t > 0) scores.push_back(static_cast<float>(30 * (c[t] - mean)));
      }
      if (whole) break;
      for (size_t i = 0; i < dim; ++i) sum[i] += h[i];
      std::vector<float> told(kWordFound);
      predictor::layout(scores, 3, SIZE_MAX, told.data());
      told[kLayout] = *std::max_element(scores.begin(), scores.end()) / 6;
      told[kLayout + 1] = static_cast<float>(5 * mean);
      for (size_t i = 0; i < kWordFound; ++i) {
        const float difference = told[i] - f.words[j * kWordFound + i];
        most = test::worse(most, static_cast<double>(std::fabs(difference)));
      }
    }
    for (size_t t = 0; t <= places; ++t) {
      most = test::worse(most, std::fabs(best[t] - static_cast<double>(f.places[t * 2 + 1])));
    }
    CHECK(most < 2e-4);
  }
}

TEST_CASE("grounded: a picture without places tells its words nothing") {
  auto meaning = test::random(1, 8, 1), words = test::random(3, 8, 2);
  const Found f = found({words.view(), meaning.view(), meaning.view(), 0});
  CHECK(std::ranges::all_of(f.words, [](float x) { return x == 0; }));
  CHECK(std::ranges::all_of(f.places, [](float x) { return std::isfinite(x); }));
}

TEST_CASE("grounded: a place that is absent is as one that never was") {
  constexpr size_t dim = 24;
  auto meaning = test::random(1 + 9, dim, 5), words = test::random(2, dim, 6);
  std::vector<float> fewer(meaning.data.begin(), meaning.data.begin() + 5 * dim);
  fewer.insert(fewer.end(), meaning.data.begin() + 6 * dim, meaning.data.end());
  const Mat<const float> left(fewer.data(), 9, dim);
  const Found f = found({words.view(), left, left, 3, 4});
  // The other places keep their columns and rows: the grid has a hole.
  std::vector<float> score;
  double mean = 0;
  const auto h = row(words.view(), 0);
  for (size_t t = 1; t < 9; ++t) mean += cosine(h, row(left, t)) / 8;
  for (size_t t = 1; t < 9; ++t) {
    score.push_back(static_cast<float>(30 * (cosine(h, row(left, t)) - mean)));
  }
  float told[kLayout];
  predictor::layout(score, 3, 4, told);
  for (size_t i = 0; i < kLayout; ++i) CHECK(f.words[i] == doctest::Approx(told[i]).epsilon(1e-4));
}
