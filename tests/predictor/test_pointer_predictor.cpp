#include <doctest/doctest.h>
#include <sterna/predictor/pointer_predictor.h>
#include <sterna/quant/error.h>
#include <tests/support/worse.h>

#include <cmath>
#include <vector>

#include "fixture.h"

using namespace sterna;
using namespace sterna::test::pointer;
using predictor::PointerPredictor;
using predictor::Query;

TEST_CASE_FIXTURE(Fixture, "a query's answer has unit length and does not depend on its batch") {
  const PointerPredictor predictor(weights());
  const auto vision = mat(7, v), meaning = mat(7, n), other = mat(3, v), said = mat(3, n);
  const std::vector<Query> queries = {{mat(4, q), vision, meaning},
                                      {mat(1, q), vision, meaning},  // shares the scene before it
                                      {mat(9, q), other, said},
                                      {mat(4, q), vision, meaning}};
  std::vector<float> batch(queries.size() * n);
  predictor.forward(queries, {batch.data(), queries.size(), n}, executor, workspace);
  for (size_t i = 0; i < queries.size(); ++i) {
    std::vector<float> alone(n);
    predictor.forward({&queries[i], 1}, {alone.data(), 1, n}, executor, workspace);
    const auto row = batch.begin() + static_cast<long>(i * n);
    CHECK(test::same_bits(alone, {row, row + static_cast<long>(n)}));
    double square = 0;
    for (const float x : alone) square += static_cast<double>(x) * static_cast<double>(x);
    CHECK(square == doctest::Approx(1.0).epsilon(1e-6));
  }
  predictor.forward({}, {nullptr, 0, n}, executor, workspace);  // nothing asked
}

TEST_CASE_FIXTURE(Fixture, "the gate: shut, the head alone speaks; open, a lone place is copied") {
  auto w = weights();
  const Query query{mat(2, q), mat(1, v), mat(1, n)};
  std::vector<float> zeros(d), shut{-200.0f}, open{200.0f}, out(n);
  const quant::WeightView flat{quant::Type::f32, 1, d, std::as_bytes(std::span(zeros)), {}, 0};

  w.gate = quant::Linear(flat, shut);
  PointerPredictor(w).forward({&query, 1}, {out.data(), 1, n}, executor, workspace);
  const auto head_alone = out;
  w.gate = quant::Linear(flat, open);
  PointerPredictor(w).forward({&query, 1}, {out.data(), 1, n}, executor, workspace);
  // With one place alpha = 1: out is parallel to e + s, so out - s-part is parallel to e. Solve for
  // the length of e in least squares and see that nothing is left over.
  double ee = 0, es = 0, ss = 0, oe = 0, os = 0;
  for (size_t i = 0; i < n; ++i) {
    const double e = head_alone[i], s = query.meaning.data[i], o = out[i];
    ee += e * e, es += e * s, ss += s * s, oe += o * e, os += o * s;
  }
  const double det = ee * ss - es * es;
  const double a = (oe * ss - os * es) / det, b = (os * ee - oe * es) / det;
  double left = 0;
  for (size_t i = 0; i < n; ++i) {
    const double e = head_alone[i], s = query.meaning.data[i];
    left = test::worse(left, std::fabs(static_cast<double>(out[i]) - a * e - b * s));
  }
  CHECK(left < 1e-6);
  CHECK(a > 0);
  CHECK(b > 0);
}

TEST_CASE_FIXTURE(Fixture, "reading: with its gate shut nothing that was read reaches the head") {
  auto w = weights();
  const Query query{mat(2, q), mat(5, v), mat(5, n), 2};
  std::vector<float> without(n), shut(n), read(n);
  const std::vector<float> zeros(d * d), closed(d, -200.0f);
  PointerPredictor(w).forward({&query, 1}, {read.data(), 1, n}, executor, workspace);
  w.read_gate =
      quant::Linear({quant::Type::f32, d, d, std::as_bytes(std::span(zeros)), {}, 0}, closed);
  PointerPredictor(w).forward({&query, 1}, {shut.data(), 1, n}, executor, workspace);
  w.read = linear(d, v, false), w.match = linear(d, PointerPredictor::kMatches, false);
  PointerPredictor(w).forward({&query, 1}, {without.data(), 1, n}, executor, workspace);
  CHECK(test::same_bits(shut, without));
  CHECK_FALSE(test::same_bits(read, without));
}

TEST_CASE_FIXTURE(Fixture, "head_scale is a factor of the head's weights and bias") {
  auto w = weights();
  const Query query{mat(3, q), mat(5, v), mat(5, n)};
  const auto head_weight = numbers(n * d, 0.2F), head_bias = numbers(n, 0.3F);
  w.head = quant::Linear({quant::Type::f32, n, d, std::as_bytes(head_weight), {}, 0}, head_bias);
  std::vector<float> scaled(n), folded(n), plain(n), weight(n * d), bias(n);
  const PointerPredictor predictor(w);
  predictor.forward({&query, 1}, {scaled.data(), 1, n}, executor, workspace, 2.5F);
  predictor.forward({&query, 1}, {plain.data(), 1, n}, executor, workspace);
  const auto times = [](std::span<const float> from, std::vector<float>& to) {
    for (size_t i = 0; i < to.size(); ++i) to[i] = 2.5F * from[i];
  };
  times(head_weight, weight);
  times(head_bias, bias);
  w.head = quant::Linear({quant::Type::f32, n, d, std::as_bytes(std::span(weight)), {}, 0}, bias);
  PointerPredictor(w).forward({&query, 1}, {folded.data(), 1, n}, executor, workspace);
  double most = 0, moved = 0;
  for (size_t i = 0; i < n; ++i) {
    most = test::worse(most, static_cast<double>(std::fabs(scaled[i] - folded[i])));
    moved = std::max(moved, static_cast<double>(std::fabs(scaled[i] - plain[i])));
  }
  CHECK(most < 1e-6);
  CHECK(moved > 1e-3);
}

TEST_CASE_FIXTURE(Fixture, "what lies at the places is what they say, and what the tower saw") {
  auto w = weights();
  const Query query{mat(3, q), mat(10, v), mat(10, n), 3};
  w.referents = {};  // they read it as it is
  const auto seen = predict(PointerPredictor(w), query);
  const std::vector<float> zeros(n * v), none(n);
  w.ground.map =
      quant::Linear({quant::Type::f32, n, v, std::as_bytes(std::span(zeros)), {}, 0}, none);
  const auto said = predict(PointerPredictor(w), query);
  w.ground = {};
  const auto without = predict(PointerPredictor(w), query);
  double most = 0, moved = 0;
  for (size_t i = 0; i < n; ++i) {
    most = test::worse(most, static_cast<double>(std::fabs(said[i] - without[i])));
    moved = std::max(moved, static_cast<double>(std::fabs(seen[i] - without[i])));
  }
  CHECK(most < 1e-5);  // cosines do not see that rows became of unit length
  CHECK(moved > 1e-3);
}

TEST_CASE_FIXTURE(Fixture, "referents: what the head takes in, and what is read where it points") {
  auto w = weights();
  const Query query{mat(3, q), mat(10, v), mat(10, n), 3};
  const std::vector<float> none(n * d), shut{0.0F, 0.0F, -200.0F, 0.0F};
  const auto zero = [&](size_t rows, size_t cols) -> quant::WeightView {
    return {quant::Type::f32, rows, cols, std::as_bytes(std::span(none).first(rows * cols)), {}, 0};
  };
  const auto all = predict(PointerPredictor(w), query);
  w.referents.held = quant::Linear(zero(d, predictor::Referents::kHeld));
  const auto nothing_more = predict(PointerPredictor(w), query);
  w.referents.look = quant::Linear(zero(predictor::Referents::kLook, q + d), shut);
  const auto nothing = predict(PointerPredictor(w), query);
  w.referents = {};
  CHECK(!test::same_bits(all, nothing_more));
  CHECK(!test::same_bits(nothing_more, nothing));
  CHECK(test::same_bits(nothing, predict(PointerPredictor(w), query)));
}

TEST_CASE_FIXTURE(Fixture, "words are found in what was seen closer; the pointer reads the rest") {
  const PointerPredictor predictor(weights());
  Query query{mat(3, q), mat(10, v), mat(10, n), 3};
  const auto once = predict(predictor, query);
  query.fine = query.meaning;
  CHECK(test::same_bits(predict(predictor, query), once));
  query.fine = mat(10, n);
  const auto closely = predict(predictor, query);
  CHECK(!test::same_bits(closely, once));
  // Beside a query about the same picture that was looked at once.
  Query both[] = {query, query, query};
  both[1].fine = {};
  std::vector<float> out(3 * n);
  predictor.forward(both, {out.data(), 3, n}, executor, workspace);
  const auto row = [&](size_t i) {
    return std::vector<float>(out.begin() + static_cast<long>(i * n),
                              out.begin() + static_cast<long>((i + 1) * n));
  };
  CHECK(test::same_bits(row(0), closely));
  CHECK(test::same_bits(row(1), once));
  CHECK(test::same_bits(row(2), closely));
}

TEST_CASE_FIXTURE(Fixture, "weights and queries whose shapes disagree are refused") {
  const auto refused = [&](auto spoil) {
    auto w = weights();
    spoil(w);
    CHECK_THROWS_AS(PointerPredictor(std::move(w)), Error);
  };
  using W = PointerPredictor::Weights;
  refused([](W& w) { w.answer = {}; });
  refused([](W& w) { w.answer = w.answer.first(d - 1); });
  refused([](W& w) { w.norm = w.norm.first(d - 1); });
  refused([](W& w) { w.blocks[1].heads = 5; });
  refused([](W& w) { w.blocks[1].heads = 0; });
  refused([](W& w) { w.blocks[0].mlp_mid_norm = w.blocks[0].mlp_mid_norm.first(hidden - 1); });
  refused([&](W& w) { w.gate = linear(2, d, true); });
  refused([&](W& w) { w.pointer_key = linear(c + 1, d, false); });
  refused([&](W& w) { w.head = linear(n, d + 1, true); });
  refused([&](W& w) { w.read = linear(d, v + 1, false); });
  refused([&](W& w) { w.read = {}; });
  refused([&](W& w) { w.match = {}; });
  refused([&](W& w) { w.question = linear(d, q + 1, true); });
  refused([&](W& w) { w.word_found = linear(d, PointerPredictor::kWordFound + 1, false); });
  refused([&](W& w) { w.place_found = {}; });
  refused([&](W& w) { w.pointer_found = linear(PointerPredictor::kPlaceFound, d + 1, true); });
  refused([&](W& w) { w.read_gate = linear(d + 1, d, true); });
  refused([&](W& w) { w.ground.map = linear(n + 1, v, true); });
  refused([&](W& w) { w.referents.side = w.referents.side.first(1); });
  refused([&](W& w) { w.referents.role = linear(2, q, false); });
  refused([&](W& w) { w.referents.direction = linear(2, q + 1, true); });
  refused([&](W& w) { w.referents.held = linear(d, predictor::Referents::kHeld + 1, false); });
  refused([&](W& w) { w.referents.held = {}; });
  refused([&](W& w) { w.referents.look = linear(2, q + d, true); });
  refused([&](W& w) { w.ground.map = linear(n, v + 1, true); });
  refused([](W& w) { w.ground.norm = w.ground.norm.first(v - 1); });
  refused([&](W& w) { w.ground.blocks[0] = block(); });

  const PointerPredictor predictor(weights());
  std::vector<float> out(n);
  const auto refuse = [&](const Query& query) {
    CHECK_THROWS_AS(predictor.forward({&query, 1}, {out.data(), 1, n}, executor, workspace), Error);
  };
  const Query right{mat(2, q), mat(3, v), mat(3, n)};
  CHECK_NOTHROW(predictor.forward({&right, 1}, {out.data(), 1, n}, executor, workspace));
  refuse({mat(2, q + 1), right.vision, right.meaning});
  refuse({right.question, mat(3, v - 1), right.meaning});
  refuse({right.question, right.vision, mat(2, n)});
  refuse({right.question, right.vision, mat(3, n + 1)});
  for (const auto& fine : {mat(2, n), mat(3, n + 1)}) {
    Query closely = right;
    closely.fine = fine;
    refuse(closely);
  }
  refuse({mat(0, q), right.vision, right.meaning});
  refuse({right.question, mat(0, v), mat(0, n)});
  CHECK_THROWS_AS(predictor.forward({&right, 1}, {out.data(), 1, n - 1}, executor, workspace),
                  Error);
}
