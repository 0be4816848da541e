#include <decoder/beam_search.h>
#include <doctest/doctest.h>
#include <sterna/decoder/generator.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

using namespace sterna;
using decoder::BeamSearch;

namespace {

/// A language of `v` rows whose next row's probabilities depend on the whole text so far.
std::vector<float> next(const std::vector<uint32_t>& text, size_t v) {
  unsigned seed = 7;
  for (const uint32_t row : text) seed = seed * 31 + row + 1;
  std::mt19937 rng(seed);
  std::vector<float> p(v);
  float sum = 0;
  for (float& x : p) sum += x = std::uniform_real_distribution<float>(0.01F, 1)(rng);
  if (text.empty()) {
    sum -= p[0];
    p[0] = 0;
  }
  for (float& x : p) x /= sum;
  return p;
}

struct Found {
  std::vector<uint32_t> rows;
  float score;
};

std::vector<Found> search(size_t beams, size_t length, size_t v) {
  nn::Workspace workspace;
  BeamSearch search(beams, length, workspace);
  while (!search.finished()) {
    const nn::Mat<float> p = workspace.mat<float>(search.live().size(), v);
    for (size_t i = 0; i < p.rows; ++i) {
      const auto& text = search.live()[i];
      CHECK(text.pieces == search.pieces());
      const auto row = next({text.rows.begin(), text.rows.begin() + static_cast<long>(text.pieces)},
                            v);
      std::copy(row.begin(), row.end(), p.row(i));
    }
    search.step(p);
  }
  std::vector<Found> found;
  for (const auto& text : search.result()) {
    found.push_back({{text.rows.begin(), text.rows.begin() + static_cast<long>(text.pieces)},
                     text.score});
  }
  return found;
}

/// All texts of at most `most` pieces with their sum of log-probabilities, the end's included.
void spell(std::vector<uint32_t>& text, float sum, size_t most, size_t v,
           std::map<std::vector<uint32_t>, float>& all) {
  const auto p = next(text, v);
  if (!text.empty()) all[text] = sum + std::log(p[0]);
  if (text.size() == most) return;
  for (uint32_t row = 1; row < v; ++row) {
    text.push_back(row);
    spell(text, sum + std::log(p[row]), most, v, all);
    text.pop_back();
  }
}

const language::WordPiece& tokenizer() {
  static const language::WordPiece t = language::WordPiece::bert(
      {"[CLS]", "[SEP]", "[UNK]", "a", "hand", "-", "held", "##s", "dog", "'", "s", ",", "(", ")"});
  return t;
}

std::string joined(std::vector<uint32_t> ids) {
  std::string out = "old";
  decoder::join(tokenizer(), ids, out);
  return out;
}

}  // namespace

TEST_CASE("one beam takes the most probable row again and again") {
  const auto found = search(1, 12, 9);
  REQUIRE(found.size() == 1);
  std::vector<uint32_t> text;
  float sum = 0;
  for (size_t i = 0; i < 12; ++i) {
    const auto p = next(text, 9);
    const auto best = std::max_element(p.begin(), p.end());
    sum += std::log(*best);
    if (best == p.begin()) break;
    text.push_back(static_cast<uint32_t>(best - p.begin()));
  }
  CHECK(found[0].rows == text);
  CHECK(found[0].score == doctest::Approx(sum / static_cast<float>(std::min<size_t>(
                              text.size() + 1, 12))));
}

TEST_CASE("every text that beam search gives is a text with its score, best first") {
  std::map<std::vector<uint32_t>, float> all;
  std::vector<uint32_t> text;
  spell(text, 0, 5, 4, all);
  for (size_t beams = 1; beams <= 16; ++beams) {
    const auto found = search(beams, 6, 4);
    CHECK(found.size() <= beams);
    CHECK(!found.empty());
    for (size_t i = 0; i < found.size(); ++i) {
      if (i > 0) CHECK(found[i - 1].score >= found[i].score);
      REQUIRE(all.count(found[i].rows) == 1);
      const auto terms = static_cast<float>(found[i].rows.size() + 1);
      CHECK(found[i].score == doctest::Approx(all.at(found[i].rows) / terms));
    }
  }
}

TEST_CASE("what is no number is never taken") {
  nn::Workspace workspace;
  BeamSearch search(2, 5, workspace);
  const nn::Mat<float> p = workspace.mat<float>(1, 4);
  std::fill_n(p.data, 4, std::nanf(""));
  search.step(p);
  CHECK(search.finished());
  CHECK(search.result().empty());
}

TEST_CASE("pieces become words again") {
  CHECK(joined({}).empty());
  CHECK(joined({3, 8}) == "a dog");
  CHECK(joined({3, 8, 7}) == "a dogs");
  CHECK(joined({3, 4, 5, 6, 8}) == "a hand-held dog");
  CHECK(joined({3, 8, 9, 10, 4}) == "a dog's hand");
  CHECK(joined({3, 8, 11, 3, 4}) == "a dog, a hand");
  CHECK(joined({8, 12, 4, 13, 8}) == "dog (hand) dog");
  CHECK(joined({7, 8}) == "s dog");
  CHECK_THROWS(joined({99}));
}

TEST_CASE("articles agree with the word that follows") {
  const auto agreed = [](std::string text) {
    decoder::agree_articles(text);
    return text;
  };
  CHECK(agreed("a egyptian cat") == "an egyptian cat");
  CHECK(agreed("a photo of a orange and a apple") == "a photo of an orange and an apple");
  CHECK(agreed("an unicycle, an european bee, an one-armed bandit") ==
        "a unicycle, a european bee, a one-armed bandit");
  CHECK(agreed("a uninvited guest with a umbrella") == "an uninvited guest with an umbrella");
  CHECK(agreed("an hour at a house") == "an hour at a house");
  CHECK(agreed("banana and a") == "banana and a");
  CHECK(agreed("vitamin a, and a 1") == "vitamin a, and a 1");
  CHECK(agreed("").empty());
  CHECK(agreed("a ") == "a ");
  CHECK(agreed("an") == "an");
}

TEST_CASE("a generator whose parts do not fit is refused") {
  CHECK_THROWS_AS(decoder::Generator({}, 8), Error);
  const std::vector<float> numbers(64, 1.0F);
  const auto weights = [&](size_t prefix, size_t position, size_t pieces) {
    return decoder::Generator::Weights{{{quant::Type::f32,
                                         prefix,
                                         4,
                                         std::as_bytes(std::span(numbers)).first(prefix * 16),
                                         {},
                                         0}},
                                       std::span(numbers).first(position),
                                       {std::span(numbers).first(12), 3, 4},
                                       {},
                                       std::span(numbers).first(4),
                                       std::vector<uint32_t>(pieces, 5)};
  };
  const decoder::Generator fits(weights(8, 16, 2), 3);
  CHECK_THROWS_AS(decoder::Generator(weights(6, 16, 2), 3), Error);
  CHECK_THROWS_AS(decoder::Generator(weights(8, 12, 2), 3), Error);
  CHECK_THROWS_AS(decoder::Generator(weights(8, 16, 3), 3), Error);
  nn::Executor executor(1);
  nn::Workspace workspace;
  std::vector<decoder::GeneratedText> texts(1);
  const std::span<const float> cue = std::span(numbers).first(4);
  CHECK(fits.generate(cue, texts, executor, workspace) == 1);
  CHECK(texts[0].ids.size() == 1);  // all rows are alike: the lowest, after a piece the end
  CHECK_THROWS_AS(fits.generate(cue.first(3), texts, executor, workspace), Error);
  CHECK_THROWS_AS(fits.generate(cue, {}, executor, workspace), Error);
  texts.resize(17);
  CHECK_THROWS_AS(fits.generate(cue, texts, executor, workspace), Error);
}
