#include <doctest/doctest.h>
#include <sterna/predictor/occlusion.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>
#include <list>
#include <vector>

#include "fixture.h"

using namespace sterna;
using namespace sterna::test::pointer;
using predictor::occlusion;
using predictor::PointerPredictor;
using predictor::Query;

namespace {

float cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return static_cast<float>(sum);
}

/// `m` without row `row`, in `memory`.
nn::Mat<const float> without(nn::Mat<const float> m, size_t row,
                             std::list<std::vector<float>>& memory) {
  std::vector<float>& rest = memory.emplace_back();
  for (size_t i = 0; i < m.rows; ++i) {
    if (i != row) rest.insert(rest.end(), m.row(i), m.row(i) + m.cols);
  }
  return {rest.data(), m.rows - 1, m.cols};
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a place's support is what the cosine loses without its token") {
  const PointerPredictor predictor(weights({block(), block()}));
  // More places than one batch of passes takes.
  const size_t tokens = 71;
  const Query query{mat(4, q), mat(tokens, v), mat(tokens, n), 10};
  const auto target = predict(predictor, {query.question, mat(3, v), mat(3, n)});
  const float whole = cosine(predict(predictor, query), target);
  std::vector<float> places(tokens - 1), again(tokens - 1);
  CHECK(occlusion(predictor, query, target, places, executor, workspace) == whole);
  for (size_t i = 0; i < places.size(); ++i) {
    const Query less{query.question, without(query.vision, i + 1, memory),
                     without(query.meaning, i + 1, memory), 10, i};
    CHECK(places[i] == whole - cosine(predict(predictor, less), target));
  }
  for (const int threads : {2, 3}) {
    occlusion(predictor, query, target, again, nn::Executor(threads), workspace);
    CHECK(test::same_bits(places, again));
  }
  Query closely = query;
  closely.fine = mat(tokens, n);
  const float seen = occlusion(predictor, closely, target, again, executor, workspace);
  Query less{query.question, without(query.vision, 8, memory), without(query.meaning, 8, memory),
             10, 7, without(closely.fine, 8, memory)};
  CHECK(again[7] == seen - cosine(predict(predictor, less), target));
}

TEST_CASE_FIXTURE(Fixture, "places that cannot matter have no support; the one pointed at has") {
  // Without blocks, and with nothing read, only the pointer sees the picture; this sharp, one
  // place.
  auto w = weights({}, 2000);
  const std::vector<float> zeros(d * d), open{200.0f}, shut(d, -200.0f);
  const auto zero = [&](size_t m, size_t k) -> quant::WeightView {
    return {quant::Type::f32, m, k, std::as_bytes(std::span(zeros).first(m * k)), {}, 0};
  };
  // What is found at a place is told by how it differs from the others.
  w.place_found = quant::Linear(zero(d, PointerPredictor::kPlaceFound));
  w.pointer_found = quant::Linear(zero(PointerPredictor::kPlaceFound, d));
  w.referents = {};
  w.gate = quant::Linear(zero(1, d), open);
  w.read_gate = quant::Linear(zero(d, d), shut);
  const PointerPredictor predictor(std::move(w));
  const size_t tokens = 12;
  const Query query{mat(3, q), mat(tokens, v), mat(tokens, n)};
  const auto target = predict(predictor, query);
  std::vector<float> places(tokens);
  CHECK(occlusion(predictor, query, target, places, executor, workspace) ==
        doctest::Approx(1).epsilon(1e-6));
  const auto peak = std::max_element(places.begin(), places.end());
  CHECK(*peak > 0.05f);
  for (auto it = places.begin(); it != places.end(); ++it) {
    if (it != peak) CHECK(std::fabs(*it) < 1e-5f);
  }
  // The place pointed at is the one whose meaning alone gives nearly the same.
  const auto at = static_cast<size_t>(peak - places.begin());
  const Query alone{query.question, query.vision.slice_rows(at, 1),
                    query.meaning.slice_rows(at, 1)};
  CHECK(cosine(predict(predictor, alone), target) > 0.9999f);
}

TEST_CASE_FIXTURE(Fixture, "occlusion: shapes that disagree are refused") {
  const PointerPredictor predictor(weights({block()}));
  const Query query{mat(2, q), mat(3, v), mat(3, n)};
  std::vector<float> target(n), places(3);
  CHECK_NOTHROW(occlusion(predictor, query, target, places, executor, workspace));
  CHECK_NOTHROW(occlusion(predictor, query, target, {}, executor, workspace));
  std::vector<float> four(4), narrow(n - 1);
  CHECK_THROWS_AS(occlusion(predictor, query, target, four, executor, workspace), Error);
  CHECK_THROWS_AS(occlusion(predictor, query, narrow, places, executor, workspace), Error);
  const Query single{query.question, mat(1, v), mat(1, n)};
  CHECK_THROWS_AS(
      occlusion(predictor, single, target, std::span(places).first(1), executor, workspace), Error);
  const Query uneven{query.question, query.vision, mat(2, n)};
  CHECK_THROWS_AS(occlusion(predictor, uneven, target, places, executor, workspace), Error);
}
