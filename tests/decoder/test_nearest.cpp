#include <doctest/doctest.h>
#include <sterna/decoder/nearest.h>
#include <sterna/quant/error.h>

#include <cmath>
#include <vector>

using namespace sterna;
using decoder::NearestAnswer;
using decoder::Scored;

namespace {

struct Fixture {
  nn::Executor executor{1};
  nn::Workspace workspace;
  size_t decodes = 0;
  // Rows of any length: only directions count. 0 and 3 tie.
  std::vector<float> rows{2, 0, 0, 1, -1, 0, 7, 0, 3, 3};
  nn::RowTable table{rows, 5, 2};
  std::vector<float> x{1, 0};
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "candidates are ranked by cosine, ties by index, softmax over all") {
  const NearestAnswer nearest(2.0f, 0.4f);
  std::vector<Scored> best(5);
  const bool sure = nearest.decode(x, table, best, decodes, executor, workspace);
  const size_t order[] = {0, 3, 4, 1, 2};
  double total = 0;
  const double cosines[] = {1, 0, -1, 1, std::sqrt(0.5)};
  double sum = 0;
  for (const double c : cosines) sum += std::exp(2 * c);
  for (size_t i = 0; i < 5; ++i) {
    CHECK(best[i].index == order[i]);
    CHECK(best[i].cosine == doctest::Approx(cosines[order[i]]));
    CHECK(best[i].probability == doctest::Approx(std::exp(2 * cosines[order[i]]) / sum));
    total += static_cast<double>(best[i].probability);
  }
  CHECK(total == doctest::Approx(1.0));
  CHECK_FALSE(sure);  // two equal candidates: 0.36 each
  CHECK(decodes == 1);
}

TEST_CASE_FIXTURE(Fixture,
                  "the threshold decides what is sure; a short list is the head of a long one") {
  std::vector<Scored> best(1);
  CHECK(NearestAnswer(2.0f, 0.3f).decode(x, table, best, decodes, executor, workspace));
  CHECK(best[0].index == 0);
  const std::vector<float> other{-1, 0};
  CHECK(NearestAnswer(20.0f, 0.99f).decode(other, table, best, decodes, executor, workspace));
  CHECK(best[0].index == 2);
  CHECK(decodes == 2);
}

TEST_CASE_FIXTURE(Fixture,
                  "a slope moves the best one's odds, the others share the rest as before") {
  std::vector<Scored> plain(5), best(5);
  const std::vector<float> between{2, 1};
  NearestAnswer(2.0f, 0.0f).decode(between, table, plain, decodes, executor, workspace);
  NearestAnswer(2.0f, 0.0f, 0.6f).decode(between, table, best, decodes, executor, workspace);
  const auto odds = [](double p) { return p / (1 - p); };
  CHECK(odds(double{best[0].probability}) ==
        doctest::Approx(std::pow(odds(double{plain[0].probability}), 0.6)));
  double total = 0;
  for (size_t i = 0; i < 5; ++i) {
    CHECK(best[i].index == plain[i].index);
    total += double{best[i].probability};
    if (i > 1)
      CHECK(double{best[i].probability / best[1].probability} ==
            doctest::Approx(double{plain[i].probability / plain[1].probability}));
  }
  CHECK(total == doctest::Approx(1.0));
  // One candidate alone is certain; of two the better one never falls below a half.
  const nn::RowTable one{std::span(rows).first(2), 1, 2}, two{std::span(rows).first(4), 2, 2};
  std::vector<Scored> alone(1);
  const NearestAnswer flat(20.0f, 0.0f, 0.1f);
  flat.decode(x, one, alone, decodes, executor, workspace);
  CHECK(alone[0].probability == 1.0f);
  for (const float y : {0.0f, 0.9f, 1.0f, 1.1f}) {
    const std::vector<float> from{1, y};
    flat.decode(from, two, alone, decodes, executor, workspace);
    CHECK(alone[0].probability >= 0.5f);
  }
  for (const float slope : {0.0f, -1.0f, 1.5f, std::nanf("")})
    CHECK_THROWS_AS(NearestAnswer(1.0f, 0.0f, slope), Error);
}

TEST_CASE_FIXTURE(Fixture, "what cannot be ranked is an error and no decode") {
  std::vector<Scored> best(6);
  const NearestAnswer nearest(1.0f, 0.0f);
  CHECK_THROWS_AS(nearest.decode(x, table, best, decodes, executor, workspace), Error);
  best.clear();
  CHECK_THROWS_AS(nearest.decode(x, table, best, decodes, executor, workspace), Error);
  best.resize(1);
  CHECK_THROWS_AS(nearest.decode(x, nn::RowTable(), best, decodes, executor, workspace), Error);
  const std::vector<float> wide(3, 1.0f);
  CHECK_THROWS_AS(nearest.decode(wide, table, best, decodes, executor, workspace), Error);
  CHECK(decodes == 0);
  CHECK_THROWS_AS(NearestAnswer(0.0f, 0.5f), Error);
  CHECK_THROWS_AS(NearestAnswer(NAN, 0.5f), Error);
  CHECK_THROWS_AS(NearestAnswer(1.0f, 1.5f), Error);
  CHECK_THROWS_AS(NearestAnswer(1.0f, NAN), Error);
}
