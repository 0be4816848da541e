#include <doctest/doctest.h>
#include <sterna/nn/transformer.h>
#include <sterna/quant/error.h>
#include <tests/support/worse.h>

#include <cmath>
#include <functional>
#include <list>
#include <string>

#include "common.h"

using namespace sterna;

namespace {

constexpr size_t d = 20, heads = 4, kv_heads = 2, c = 6, inner = 26;

struct Fixture {
  std::list<std::vector<float>> memory;  // never moves
  nn::Executor one{1}, two{2};
  nn::Workspace workspace;

  std::span<const float> numbers(size_t n, float sigma) {
    const auto seed = static_cast<unsigned>(memory.size());
    return memory.emplace_back(test::random(1, n, seed, sigma).data);
  }
  quant::Linear linear(size_t m, size_t k, bool bias = true) {
    const auto w = numbers(m * k, 1 / std::sqrt(static_cast<float>(k)));
    return {{quant::Type::f32, m, k, std::as_bytes(w), {}, 0},
            bias ? numbers(m, 0.3f) : std::span<const float>{}};
  }
  nn::Norm norm(nn::Norm::Kind kind, size_t n) {
    return {kind, numbers(n, 1),
            kind == nn::Norm::Kind::layer ? numbers(n, 1) : std::span<const float>{}, 1e-6f};
  }
  /// Everything a block may have.
  nn::TransformerBlock block() {
    using Kind = nn::Norm::Kind;
    nn::TransformerBlock b;
    b.attention = {.residual = {norm(Kind::rms, d), norm(Kind::rms, d), {}, numbers(d, 1)},
                   .q = linear(heads * c, d),
                   .k = linear(kv_heads * c, d),
                   .v = linear(kv_heads * c, d),
                   .out = linear(d, heads * c, false),
                   .q_norm = norm(Kind::rms, c),
                   .k_norm = norm(Kind::rms, c),
                   .attention = {heads, kv_heads, 0.4f, {3, 3}},
                   .rotation = 0};
    b.mlp = {.residual = {{}, {}, norm(Kind::layer, d), {}},
             .gate = linear(inner, d),
             .up = linear(inner, d),
             .down = linear(d, inner),
             .activation = nn::Activation::silu};
    return b;
  }
};

/// The largest difference of two matrices' numbers.
float furthest(nn::Mat<const float> a, nn::Mat<const float> b) {
  float far = 0;
  for (size_t i = 0; i < a.rows; ++i)
    for (size_t j = 0; j < a.cols; ++j)
      far = test::worse(far, std::abs(a.row(i)[j] - b.row(i)[j]));
  return far;
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a text in a batch equals the text alone, on any number of threads") {
  const nn::Transformer net({block(), block()}, d);
  const std::vector<std::vector<uint32_t>> batches = {
      {0, 5, 5, 17},
      {0, 192, 192, 200, 390},                       // two groups
      {0, 100, 200, 300, 400, 700, 900, 901, 1000},  // as many as are not dealt out evenly
      {0, 1, 300, 500, 700, 900, 1100, 1300, 1500, 1700, 1900}};
  for (const auto& starts : batches) {
    const size_t t = starts.back();
    std::vector<uint32_t> positions(t);
    for (size_t i = 0; i + 1 < starts.size(); ++i)  // a gap after every third token
      for (uint32_t p = 0; p < starts[i + 1] - starts[i]; ++p) positions[starts[i] + p] = p + p / 3;
    test::Owned cos(t, 4), sin(t, 4);
    const auto frequencies = nn::rope_frequencies(4, 50);
    nn::fill_rotation(frequencies, positions, nn::Pairing::halves, cos.view(), sin.view());
    const auto input = test::random(t, d, 99);
    auto batch = input, again = input;
    const nn::Rotation rotation{cos.view(), sin.view(), nn::Pairing::halves};
    net.forward(batch.view(), {starts, positions}, {&rotation, 1}, one, workspace);
    net.forward(again.view(), {starts, positions}, {&rotation, 1}, two, workspace);
    CHECK(test::same_bits(batch.data, again.data));
    const size_t allocations = workspace.system_allocations();
    again = input;
    net.forward(again.view(), {starts, positions}, {&rotation, 1}, two, workspace);
    CHECK(test::same_bits(batch.data, again.data));
    CHECK(workspace.system_allocations() == allocations);
    for (size_t i = 0; i + 1 < starts.size(); ++i) {
      const size_t first = starts[i], n = starts[i + 1] - first;
      test::Owned alone(n, d);
      std::copy_n(input.data.begin() + static_cast<long>(first * d), n * d, alone.data.begin());
      const std::vector<uint32_t> own = {0, static_cast<uint32_t>(n)};
      const nn::Rotation turned{cos.view().slice_rows(first, n), sin.view().slice_rows(first, n),
                                nn::Pairing::halves};
      net.forward(alone.view(), {own, std::span(positions).subspan(first, n)}, {&turned, 1}, one,
                  workspace);
      const auto begin = batch.data.begin() + static_cast<long>(first * d);
      CHECK(test::same_bits(alone.data, {begin, begin + static_cast<long>(n * d)}));
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "sequences that disagree with the tokens are refused") {
  const nn::Transformer net({block()}, d);
  test::Owned x(6, d);
  const std::vector<uint32_t> fine = {0, 6}, falls = {0, 4, 2, 6}, more = {0, 7}, late = {1, 6},
                              few = {0, 1, 2}, none;
  test::Owned cos(6, 4), sin(6, 4);
  const nn::Rotation rotation{cos.view(), sin.view(), nn::Pairing::halves};
  const auto forward = [&](const std::vector<uint32_t>& starts,
                           const std::vector<uint32_t>& positions) {
    net.forward(x.view(), {starts, positions}, {&rotation, 1}, one, workspace);
  };
  for (const auto& starts : {falls, more, late, none}) CHECK_THROWS_AS(forward(starts, {}), Error);
  CHECK_THROWS_AS(forward(fine, few), Error);
}

TEST_CASE_FIXTURE(Fixture, "rotations of fewer tokens are refused, in one group and in several") {
  const nn::Transformer net({block()}, d);
  for (const uint32_t t : std::initializer_list<uint32_t>{6, 400}) {
    test::Owned x(t, d), cos(t - 1, 4), sin(t - 1, 4), all(t, 4);
    const std::vector<uint32_t> starts = {0, t / 2, t};
    std::vector<uint32_t> positions(t);
    for (uint32_t i = 0; i < t; ++i) positions[i] = i % (t / 2);
    const auto forward = [&](test::Owned& c, test::Owned& s) {
      const nn::Rotation rotation{c.view(), s.view(), nn::Pairing::halves};
      net.forward(x.view(), {starts, positions}, {&rotation, 1}, one, workspace);
    };
    CHECK_THROWS_AS(forward(cos, sin), Error);
    CHECK_THROWS_AS(forward(all, sin), Error);
    CHECK_NOTHROW(forward(all, all));
  }
}

TEST_CASE_FIXTURE(Fixture, "a causal text a part at a time: forward()'s numbers") {
  const std::vector<nn::TransformerBlock> wide = {block(), block()};
  const size_t lead = 5, t = 12, texts = 3, keys = kv_heads * c;
  for (const auto isa : test::isas()) {
    std::vector<nn::TransformerBlock> causal = wide;
    for (auto& b : causal) b.attention.attention.reach = {nn::Reach::kAll, 0};
    const nn::Transformer net(causal, d, isa);
    // Three texts that begin alike.
    std::vector<uint32_t> starts, positions(texts * t);
    for (uint32_t i = 0; i <= texts; ++i) starts.push_back(i * t);
    for (uint32_t i = 0; i < texts * t; ++i) positions[i] = i % t;
    auto parts = test::random(texts * t, d, 7);
    for (size_t i = 1; i < texts; ++i)
      std::copy_n(parts.data.begin(), lead * d, parts.view().row(i * t));
    const auto frequencies = nn::rope_frequencies(4, 50);
    for (const auto pairing : {nn::Pairing::halves, nn::Pairing::neighbours}) {
      test::Owned cos(texts * t, 4), sin(texts * t, 4);
      nn::fill_rotation(frequencies, positions, pairing, cos.view(), sin.view());
      const auto turned = [&](size_t first, size_t n) {
        return nn::Rotation{cos.view().slice_rows(first, n), sin.view().slice_rows(first, n),
                            pairing};
      };
      auto want = parts;
      const nn::Rotation all = turned(0, texts * t);
      net.forward(want.view(), {starts, positions}, {&all, 1}, one, workspace);

      std::list<test::Owned> rows;
      std::vector<nn::KeyValues> caches;
      for (size_t b = 0; b < 2; ++b)
        caches.push_back({rows.emplace_back(texts * t, 2 * keys).view(), t, 0});
      test::Owned first(lead, d);
      std::copy_n(parts.data.begin(), lead * d, first.data.begin());
      const nn::Rotation at_first = turned(0, lead);
      net.start(first.view(), caches, {&at_first, 1}, two, workspace);
      CHECK(furthest(first.view(), want.view().slice_rows(0, lead)) < 1e-5);
      for (auto& kv : caches) {
        CHECK(kv.past == lead);
        for (size_t i = 1; i < texts; ++i)
          std::copy_n(kv.sequence(0, lead).data, lead * 2 * keys, kv.sequence(i, lead).data);
      }
      for (size_t at = lead; at < t; ++at) {
        test::Owned next(texts, d), turn_cos(texts, 4), turn_sin(texts, 4);
        for (size_t i = 0; i < texts; ++i) {
          std::copy_n(parts.view().row(i * t + at), d, next.view().row(i));
          std::copy_n(cos.view().row(at), 4, turn_cos.view().row(i));
          std::copy_n(sin.view().row(at), 4, turn_sin.view().row(i));
        }
        const nn::Rotation turn{turn_cos.view(), turn_sin.view(), pairing};
        net.step(next.view(), caches, {&turn, 1}, two, workspace);
        for (size_t i = 0; i < texts; ++i) {
          CHECK(furthest(next.view().slice_rows(i, 1),
                            want.view().slice_rows(i * t + at, 1)) < 1e-5);
        }
      }
      // Full caches, others, and blocks that look elsewhere.
      test::Owned x(texts, d);
      const nn::Rotation turn = turned(0, texts);
      CHECK_THROWS_AS(net.step(x.view(), caches, {&turn, 1}, one, workspace), Error);
      CHECK_THROWS_AS(net.step(x.view(), std::span(caches).first(1), {&turn, 1}, one, workspace),
                      Error);
      caches[1].rows.cols = keys;
      CHECK_THROWS_AS(net.start(x.view(), caches, {&turn, 1}, one, workspace), Error);
      caches[1].rows.cols = 2 * keys;
      const nn::Transformer near(wide, d, isa);
      CHECK_THROWS_AS(near.start(x.view(), caches, {&turn, 1}, one, workspace), Error);
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "blocks whose shapes disagree are refused, by name") {
  const auto fault = [&](const std::function<void(nn::TransformerBlock&)>& spoil) -> std::string {
    auto b = block();
    spoil(b);
    try {
      const nn::Transformer net({block(), b}, d);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  CHECK(fault([](auto&) {}).empty());
  CHECK(fault([&](auto& b) { b.attention.k = linear(heads * c, d); }) ==
        "block 1: k: expected [12, 20], found [24, 20]");
  CHECK(!fault([&](auto& b) { b.attention.attention.kv_heads = 3; }).empty());
  CHECK(!fault([&](auto& b) { b.attention.attention.heads = 0; }).empty());
  CHECK(
      !fault([&](auto& b) { b.attention.q_norm.gain = b.attention.q_norm.gain.first(5); }).empty());
  CHECK(!fault([&](auto& b) { b.attention.residual.scale = numbers(3, 1); }).empty());
  CHECK(!fault([&](auto& b) { b.mlp.gate = linear(inner + 1, d); }).empty());
  CHECK(!fault([&](auto& b) { b.mlp.down = linear(d, inner - 1); }).empty());
  CHECK(!fault([&](auto& b) { b.mlp.residual.after.bias = numbers(1, 1); }).empty());

  const nn::Transformer net({block()}, d);
  test::Owned x(2, d), narrow(2, d - 1);
  const std::vector<uint32_t> starts = {0, 2}, positions = {0, 1};
  CHECK_THROWS_AS(net.forward(x.view(), {starts, positions}, {}, one, workspace), Error);
  CHECK_THROWS_AS(net.forward(narrow.view(), {starts, positions}, {}, one, workspace), Error);
}
