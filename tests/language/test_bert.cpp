#include <doctest/doctest.h>
#include <sterna/language/bert.h>
#include <sterna/language/text_encoder.h>
#include <sterna/quant/error.h>
#include <tests/support/worse.h>

#include <cmath>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "golden.h"

using namespace sterna;
using namespace sterna::language;

namespace {

constexpr size_t kVocabulary = 40, kWidth = 32, kHeads = 4, kHidden = 48, kLongest = 24,
                 kBlocks = 2;
constexpr size_t kCounts[] = {1, 7, 24};  // tokens of the golden texts

/// The golden BERT and what it should give.
struct Fixture {
  test::Golden golden{"bert.bin"};
  std::deque<std::vector<float>> own;

  std::span<const float> floats(size_t n) {
    auto& v = own.emplace_back(n);
    const std::string bytes = golden.bytes(n * sizeof(float));
    std::memcpy(v.data(), bytes.data(), bytes.size());
    return v;
  }
  LayerNorm norm() {
    const auto gain = floats(kWidth);
    return {gain, floats(kWidth)};
  }
  quant::Linear linear(size_t m, size_t k, quant::Isa isa) {
    floats(m * k);
    auto& w = own.back();
    floats(m);
    auto& b = own.back();
    return {
        quant::WeightView{quant::Type::f32, m, k, std::as_bytes(std::span<const float>(w)), {}, 0},
        b, isa};
  }
  Bert bert(quant::Isa isa = quant::best_isa()) {
    BertWeights w;
    w.token_embedding = {floats(kVocabulary * kWidth), kVocabulary, kWidth, isa};
    w.position = {floats(kLongest * kWidth), kLongest, kWidth, isa};
    w.type = floats(kWidth);
    w.embedding_norm = norm();
    for (size_t i = 0; i < kBlocks; ++i) {
      BertBlock b;
      b.qkv = linear(3 * kWidth, kWidth, isa);
      b.attn_out = linear(kWidth, kWidth, isa);
      b.attn_norm = norm();
      b.mlp_up = linear(kHidden, kWidth, isa);
      b.mlp_down = linear(kWidth, kHidden, isa);
      b.mlp_norm = norm();
      w.blocks.push_back(b);
    }
    return Bert(std::move(w), kHeads, 1e-12f, isa);
  }
};

struct Texts {
  std::vector<uint32_t> ids, starts{0};
  Texts() {
    for (const size_t count : kCounts) {
      for (size_t i = 0; i < count; ++i)
        ids.push_back(static_cast<uint32_t>((i * i + 3 * i + count) % kVocabulary));
      starts.push_back(static_cast<uint32_t>(ids.size()));
    }
  }
};

std::vector<float> run(const Bert& bert, std::span<const uint32_t> ids,
                       std::span<const uint32_t> starts, const nn::Executor& executor,
                       nn::Workspace& workspace) {
  std::vector<float> out(ids.size() * bert.width());
  bert.forward(ids, starts, {out.data(), ids.size(), bert.width()}, executor, workspace);
  return out;
}

// Two blocks of sums over at most 48 terms, softmax over 24, values of size about 8 scaled by
// LayerNorm: some 200 roundings of numbers below 8 reach an output.
const double kTolerance = 200 * 8 * std::ldexp(1.0, -24);

double distance(std::span<const float> a, std::span<const float> b) {
  double worst = a.size() == b.size() ? 0.0 : 1e9;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    worst = test::worse(worst, std::fabs(static_cast<double>(a[i]) - b[i]));
  return worst;
}

}  // namespace

TEST_CASE("BERT equals transformers, on every ISA, for one text or several, for any threads") {
  const Texts texts;
  const nn::Executor one(1), two(2);
  nn::Workspace workspace;
  for (const auto isa : quant::kEveryIsa) {
    if (!quant::has_isa(isa)) continue;
    CAPTURE(quant::name(isa));
    Fixture fixture;
    const Bert bert = fixture.bert(isa);
    const auto expected = fixture.floats(texts.ids.size() * kWidth);
    CHECK(fixture.golden.done());
    const auto all = run(bert, texts.ids, texts.starts, one, workspace);
    CHECK(distance(all, expected) <= kTolerance);
    const size_t allocations = workspace.system_allocations();
    CHECK(run(bert, texts.ids, texts.starts, two, workspace) == all);
    for (size_t i = 0; i < std::size(kCounts); ++i) {
      const auto ids = std::span(texts.ids).subspan(texts.starts[i], kCounts[i]);
      const uint32_t starts[] = {0, static_cast<uint32_t>(kCounts[i])};
      const auto alone = run(bert, ids, starts, two, workspace);
      CHECK(std::memcmp(alone.data(), all.data() + texts.starts[i] * kWidth,
                        alone.size() * sizeof(float)) == 0);
    }
    CHECK(workspace.system_allocations() == allocations);
  }
}

TEST_CASE("BERT refuses ids, texts and shapes that do not fit") {
  Fixture fixture;
  const Bert bert = fixture.bert();
  const nn::Executor one(1);
  nn::Workspace workspace;
  const auto call = [&](std::vector<uint32_t> ids, std::vector<uint32_t> starts) {
    run(bert, ids, starts, one, workspace);
  };
  CHECK_THROWS_WITH_AS(call({3, 40}, {0, 2}),
                       "text encoder: token id: below: expected 40, found 40", Error);
  CHECK_THROWS_AS(call(std::vector<uint32_t>(25, 1), {0, 25}), Error);
  CHECK_THROWS_AS(call({1, 2}, {0, 1}), Error);
  CHECK_THROWS_AS(call({1, 2}, {0, 2, 1, 2}), Error);
  CHECK_NOTHROW(call({}, {0}));
  CHECK_THROWS_AS(Bert({}, 4, 1e-12f), Error);
}

TEST_CASE("TextEncoder: unit means, the same for one text as among many") {
  Fixture fixture;
  std::vector<std::string> vocabulary = {"[PAD]", "[UNK]", "[CLS]", "[SEP]"};
  for (char c = 'a'; c <= 'z'; ++c) vocabulary.push_back(std::string(1, c));
  const TextEncoder encoder(WordPiece::bert(vocabulary), fixture.bert(), 20);
  const nn::Executor two(2);
  nn::Workspace workspace;
  std::vector<std::string> texts;
  for (size_t i = 0; i < 300; ++i) {
    std::string text;
    for (size_t j = 0; j < i % 25; ++j)
      text += {static_cast<char>('a' + (i * 7 + j * j) % 26), ' '};
    texts.push_back(text);
  }
  std::vector<float> all(texts.size() * kWidth), one(kWidth);
  encoder.embed(texts, {all.data(), texts.size(), kWidth}, two, workspace);
  for (size_t i = 0; i < texts.size(); i += 13) {
    encoder.embed(texts[i], one, two, workspace);
    CHECK(std::memcmp(one.data(), all.data() + i * kWidth, sizeof(float) * kWidth) == 0);
    double square = 0.0;
    for (const float v : one) square += static_cast<double>(v) * v;
    CHECK(square == doctest::Approx(1.0).epsilon(1e-6));
  }
  std::vector<uint32_t> ids;
  encoder.tokenize(texts[24], ids);
  CHECK(ids.size() == 20);
  CHECK_THROWS_AS(TextEncoder(WordPiece::bert(vocabulary), Fixture().bert(), 25), Error);
  CHECK_THROWS_AS(encoder.embed(texts, {all.data(), 2, kWidth}, two, workspace), Error);
}
