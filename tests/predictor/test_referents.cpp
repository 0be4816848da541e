#include <doctest/doctest.h>
#include <sterna/nn/linear.h>
#include <sterna/predictor/referents.h>
#include <tests/support/worse.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "fixture.h"

using namespace sterna;
using namespace sterna::test::pointer;
using nn::Mat;
using predictor::Referents;

namespace {

std::vector<double> product(const quant::Linear& map, const std::vector<double>& x,
                            Fixture& fixture) {
  // In f32, by the map itself: what is tested here is what is done with it.
  std::vector<float> in(x.begin(), x.end()), out(map.m());
  nn::apply(map, {in.data(), 1, in.size()}, {out.data(), 1, out.size()}, fixture.executor,
            fixture.workspace);
  return {out.begin(), out.end()};
}

std::vector<double> shares(std::vector<double> score) {
  double sum = 0;
  for (double& s : score) sum += s = std::exp(s);
  for (double& s : score) s /= sum;
  return score;
}

std::vector<double> mix(const std::vector<double>& share, Mat<const float> x) {
  std::vector<double> out(x.cols);
  for (size_t j = 0; j < x.rows; ++j) {
    for (size_t i = 0; i < x.cols; ++i) out[i] += share[j] * static_cast<double>(x.row(j)[i]);
  }
  return out;
}

std::vector<double> joined(std::vector<double> a, const std::vector<double>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "referents: as the formulas of referents.h, for any number of words") {
  const Referents r = referents();
  for (const size_t words : {1UL, 2UL, 7UL}) {
    for (const size_t absent : {SIZE_MAX, size_t{0}, size_t{4}}) {
      const Mat<const float> question = mat(words, q), found = mat(words, Referents::kFound);
      const Mat<const float> answer = mat(1, d);
      const size_t columns = 4, places = 12;
      std::vector<float> score(places - (absent == SIZE_MAX ? 0 : 1)), more(d);
      const float share = r.forward(question, found, answer.data, columns, absent, score, more,
                                    executor, workspace);

      std::vector<std::vector<double>> by_role(3);
      for (size_t j = 0; j < words; ++j) {
        const auto s = product(r.role, {question.row(j), question.row(j) + q}, *this);
        for (size_t k = 0; k < 3; ++k) by_role[k].push_back(s[k]);
      }
      const auto relation = shares(by_role[2]);
      double at = 0;
      for (size_t j = 0; j < words; ++j) at += relation[j] * static_cast<double>(j);
      std::vector<std::vector<double>> t;
      for (size_t k = 0; k < 2; ++k) {
        for (size_t j = 0; j < words; ++j) {
          by_role[k][j] += static_cast<double>(r.side[k]) * std::tanh(static_cast<double>(j) - at);
        }
        t.push_back(mix(shares(by_role[k]), found));
      }
      const auto word = mix(relation, question);
      const auto u = product(r.direction, word, *this);
      const double along = u[0] * (t[0][0] - t[1][0]) + u[1] * (t[0][1] - t[1][1]);
      const auto look = product(r.look, joined(word, {answer.data, answer.data + d}), *this);
      const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
      const double said = sigmoid(*std::max_element(by_role[2].begin(), by_role[2].end()) +
                                  static_cast<double>(r.side[2]));
      const double taken = said * sigmoid(look[3]);
      const auto expected = product(r.held, {taken * along, taken * std::tanh(along)}, *this);
      double worst = 0;
      for (size_t i = 0; i < d; ++i)
        worst = test::worse(worst, std::fabs(expected[i] - static_cast<double>(more[i])));
      for (size_t place = 0, i = 0; place < places; ++place) {
        if (place == absent) continue;
        const double x = 5 * ((static_cast<double>(place % columns) + 0.5) / 4 - 0.5) - t[1][0];
        const double y = 5 * ((static_cast<double>(place / columns) + 0.5) / 3 - 0.5) - t[1][1];
        const double gain = said * (look[0] * std::tanh(u[0] * x + u[1] * y) +
                                    look[1] * std::exp(-(x * x + y * y)));
        worst = test::worse(worst, std::fabs(gain - static_cast<double>(score[i++])));
      }
      worst = test::worse(worst, std::fabs(said * sigmoid(look[2]) - static_cast<double>(share)));
      CAPTURE(words);
      CAPTURE(absent);
      CHECK(worst < 2e-5);
    }
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "referents: the things before and after the word that says how they lie") {
  // Words are unit vectors: 0 fills in, 1 is a thing, 2 says "left of", 3 "right of".
  std::vector<float> role(3 * q), direction(2 * q), none(4), held(d * Referents::kHeld);
  std::vector<float> look(Referents::kLook * (q + d));
  role[1] = role[q + 1] = role[2 * q + 2] = role[2 * q + 3] = 30;
  direction[2] = -1, direction[3] = 1;
  held[0] = 2, look[2] = 1, look[3] = 1;
  const auto map = [](std::vector<float>& w, size_t rows, size_t cols, std::span<const float> b) {
    return quant::Linear({quant::Type::f32, rows, cols, std::as_bytes(std::span(w)), {}, 0}, b);
  };
  const std::vector<float> side{-20, 20, 0};
  const Referents r{map(role, 3, q, {}), side, map(direction, 2, q, std::span(none).first(2)),
                    map(held, d, Referents::kHeld, {}), map(look, Referents::kLook, q + d, none)};
  const auto asked = [&](size_t relation) {
    const size_t words[] = {0, 1, relation, 0, 1};
    std::vector<float> question(5 * q), found(5 * Referents::kFound), answer(d), score(9), more(d);
    for (size_t j = 0; j < 5; ++j) question[j * q + words[j]] = 1;
    found[1 * Referents::kFound] = -2, found[4 * Referents::kFound] = 1;  // their mean columns
    r.forward({question.data(), 5, q}, {found.data(), 5, Referents::kFound}, answer.data(), 3,
              SIZE_MAX, score, more, executor, workspace);
    return std::pair(more[0], score);
  };
  const auto [left, left_of] = asked(2);
  const auto [right, right_of] = asked(3);
  CHECK(left ==
        doctest::Approx(3));  // the first lies three fifths of the picture left of the second
  CHECK(right == doctest::Approx(-3));
  // Places left of the second are pointed at the more, row by row the same.
  CHECK(left_of[0] == doctest::Approx(std::tanh(1 + 5.0 / 3)));
  CHECK(left_of[2] == doctest::Approx(std::tanh(1 - 5.0 / 3)));
  for (size_t i = 0; i < 9; ++i) {
    CHECK(right_of[i] == doctest::Approx(-left_of[i]));
    CHECK(left_of[i] == left_of[i % 3]);
  }
}

TEST_CASE_FIXTURE(Fixture, "referents: places of no known grid gain nothing") {
  const Referents r = referents();
  std::vector<float> score(5, 0.25F), more(d);
  r.forward(mat(3, q), mat(3, Referents::kFound), mat(1, d).data, 0, SIZE_MAX, score, more,
            executor, workspace);
  CHECK(score == std::vector<float>(5, 0.25F));
}
