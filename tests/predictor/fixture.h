#pragma once

#include <sterna/predictor/pointer_predictor.h>
#include <tests/nn/common.h>

#include <cmath>
#include <list>
#include <utility>
#include <vector>

namespace sterna::test::pointer {

// d width, q question width, v vision width, n text space, c pointer
constexpr size_t d = 24, hidden = 40, q = 22, v = 20, n = q, c = 10;

/// Weights and inputs of random numbers, which live as long as it does; the same for the same calls
/// in the same order.
struct Fixture {
  std::list<std::vector<float>> memory;  // never moves
  nn::Executor executor{1};
  nn::Workspace workspace;

  std::span<const float> numbers(size_t count, float sigma) {
    const auto seed = static_cast<unsigned>(memory.size());
    return memory.emplace_back(test::random(1, count, seed, sigma).data);
  }
  quant::Linear linear(size_t m, size_t k, bool bias, float gain = 1) {
    const auto w = numbers(m * k, gain / std::sqrt(static_cast<float>(k)));
    return {{quant::Type::f32, m, k, std::as_bytes(w), {}, 0},
            bias ? numbers(m, 0.3f) : std::span<const float>{}};
  }
  nn::TernaryBlock block(size_t width = d) {
    return {numbers(width, 1),
            linear(3 * width, width, false),
            numbers(width, 1),
            linear(width, width, false),
            numbers(width, 1),
            linear(hidden, width, false),
            numbers(hidden, 1),
            linear(width, hidden, false),
            4};
  }
  predictor::Ground ground() { return {{block(v)}, numbers(v, 1), linear(n, v, true)}; }
  predictor::Referents referents() {
    using R = predictor::Referents;
    return {linear(R::kRoles, q, false, 3), numbers(3, 1), linear(2, q, true),
            linear(d, R::kHeld, false), linear(R::kLook, q + d, true)};
  }
  predictor::PointerPredictor::Weights weights() { return weights({block(), block()}); }
  predictor::PointerPredictor::Weights weights(std::vector<nn::TernaryBlock> blocks,
                                               float sharpness = 1) {
    using P = predictor::PointerPredictor;
    return {numbers(d, 1),
            linear(d, q, true),
            linear(d, v, true),
            std::move(blocks),
            numbers(d, 1),
            linear(n, d, true),
            linear(c, d, false, sharpness),
            linear(c, d, false),
            linear(1, d, true),
            linear(d, v, false),
            linear(d, d, true),
            linear(d, P::kMatches, false),
            linear(d, P::kWordFound, false),
            linear(d, P::kPlaceFound, false),
            linear(P::kPlaceFound, d, true),
            ground(),
            referents()};
  }
  nn::Mat<const float> mat(size_t rows, size_t cols) {
    return {numbers(rows * cols, 1).data(), rows, cols};
  }
  std::vector<float> predict(const predictor::PointerPredictor& p, const predictor::Query& query) {
    std::vector<float> out(n);
    p.forward({&query, 1}, {out.data(), 1, n}, executor, workspace);
    return out;
  }
};

}  // namespace sterna::test::pointer
