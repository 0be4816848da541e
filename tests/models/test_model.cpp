#include <doctest/doctest.h>
#include <oneapi/tbb/global_control.h>
#include <sterna/models/checkpoint_model.h>
#include <sterna/models/model.h>
#include <sterna/models/quantize.h>
#include <sterna/models/safetensors.h>
#include <sterna/quant/error.h>
#include <tests/nn/common.h>
#include <tests/support/folder.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "counting_new.h"

using namespace sterna;

namespace {

const std::filesystem::path kGolden = STERNA_TEST_DATA "/golden/tower";
const std::string kQuestions[] = {"what is in the picture?", "How many dogs are playing there?",
                                  "this Zebra?"};

struct Golden {
  models::Safetensors file = models::Safetensors::open(kGolden / "tiny.safetensors");
  std::vector<float> floats(const std::string& name) const { return file.at(name).floats(); }
  vision::ImageView image(const std::string& name) const {
    const auto& t = file.at(name);
    return {t.data.data(), t.shape[1], t.shape[0], t.shape[1] * 3, vision::PixelFormat::rgb, 8};
  }
};

double cosine(std::span<const float> a, std::span<const float> b) {
  REQUIRE(a.size() == b.size());
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / std::sqrt(aa * bb);
}

std::vector<float> predict(const Model& model, const Scene& scene, std::string_view question,
                           Session& session) {
  std::vector<float> out(model.dim());
  model.predict(scene, question, out, session);
  return out;
}

/// Tower and predictions of `model` against the golden of one mode.
void compare(const Model& model, const std::string& mode, double limit) {
  const Golden golden;
  Session session(1);
  for (const char* input : {"pixels", "picture"}) {
    const Scene scene = model.see(golden.image(input), session);
    CHECK(cosine(scene.features, golden.floats("vision." + mode)) >= limit);
    CHECK(cosine(scene.semantics, golden.floats("meaning")) >= 0.999999);
    const auto want = golden.floats("predicted." + mode);
    for (size_t q = 0; q < 3; ++q) {
      const auto got = predict(model, scene, kQuestions[q], session);
      CHECK(cosine(got, std::span(want).subspan(q * model.dim(), model.dim())) >= limit);
    }
    std::vector<float> embedded(model.dim());
    model.embed(scene, embedded, session);
    CHECK(cosine(embedded, std::span(want).first(model.dim())) >= limit);
  }
  const Scene coarse = model.see(golden.image("picture"), session);
  Scene scene = model.see(golden.image("picture"), session, Sight::fine);
  CHECK(cosine(scene.fine, golden.floats("fine")) >= 0.999999);
  CHECK(test::same_bits(scene.features, coarse.features));
  CHECK(test::same_bits(scene.semantics, coarse.semantics));
  const auto want = golden.floats("predicted_fine." + mode);
  for (size_t q = 0; q < 3; ++q) {
    const auto got = predict(model, scene, kQuestions[q], session);
    CHECK(cosine(got, std::span(want).subspan(q * model.dim(), model.dim())) >= limit);
  }
  std::vector<float> embedded[2] = {std::vector<float>(model.dim()),
                                    std::vector<float>(model.dim())};
  model.embed(coarse, embedded[0], session);
  model.embed(scene, embedded[1], session);
  CHECK(test::same_bits(embedded[0], embedded[1]));
  model.see(golden.image("picture"), scene, session);
  CHECK(scene.fine.empty());
  CHECK(session.decodes == 0);
}

std::filesystem::path quantised(const test::Folder& scratch, const char* rules) {
  const auto out = scratch / "tiny-quantised.gguf";
  models::quantize(kGolden / "tiny.gguf", out, models::parse_rules(rules));
  return out;
}

constexpr const char* kTernary =
    "*norm.weight=keep,language.*=keep,vision.stem.*=keep,*.blocks.*.qkv.weight=t5,"
    "*.blocks.*.attn_out.weight=t5,*.blocks.*.mlp_*.weight=t5";

}  // namespace

TEST_CASE("float model: tower, meaning and predictions are PyTorch's") {
  compare(Model::open(kGolden / "tiny.gguf"), "float", 0.999999);
}

TEST_CASE("ternary model: the packed weights give what the fake-quantised network gives") {
  // Sums of ternary x int8 are exact on both sides; what differs is which way a few activations
  // at a rounding tie went after float arithmetic of another order.
  const test::Folder scratch;
  compare(Model::open(quantised(scratch, kTernary)), "ternary", 0.999);
}

TEST_CASE("texts: hidden states pooled, batches equal to single texts") {
  const Golden golden;
  const Model model = Model::open(kGolden / "tiny.gguf");
  Session session(1);
  const std::vector<std::string> texts(std::begin(kQuestions), std::end(kQuestions));
  const AnswerTable table = model.encode(texts, session);
  for (size_t i = 0; i < 3; ++i) {
    std::vector<float> one(model.dim());
    model.embed(texts[i], one, session);
    CHECK(cosine(one, golden.floats("text." + std::to_string(i))) >= 0.999999);
    const auto row = table.embeddings.begin() + static_cast<long>(i * model.dim());
    CHECK(test::same_bits(one, {row, row + static_cast<long>(model.dim())}));
  }
}

TEST_CASE("answers: choices and vocabulary, counted decodes, candidates that sum to 1") {
  const Golden golden;
  const Model model = Model::open(kGolden / "tiny.gguf");
  Session session(1);
  const Scene scene = model.see(golden.image("pixels"), session);
  const auto predicted = predict(model, scene, kQuestions[1], session);
  CHECK(session.decodes == 0);

  const std::vector<std::string> choices = {"cat", "two dogs", "red cup"};
  const AnswerTable table = model.encode(choices, session);
  CHECK(session.decodes == 0);
  const Answer answer = model.answer(scene, kQuestions[1], table, 10, session);
  CHECK(session.decodes == 1);
  REQUIRE(answer.candidates.size() == 3);
  size_t best = 0;
  double scores[3];
  for (size_t i = 0; i < 3; ++i) {
    scores[i] = cosine(predicted, std::span(table.embeddings).subspan(i * 32, 32));
    if (scores[i] > scores[best]) best = i;
  }
  CHECK(answer.text == choices[best]);
  CHECK(answer.candidates[0].text == answer.text);
  CHECK(answer.candidates[0].score == answer.confidence);
  double sum = 0, total = 0;
  for (const double s : scores) sum += std::exp(8.0 * s);  // the file's choice_scale
  for (const Candidate& c : answer.candidates) total += static_cast<double>(c.score);
  CHECK(total == doctest::Approx(1.0));
  CHECK(answer.confidence == doctest::Approx(std::exp(8.0 * scores[best]) / sum));
  CHECK(answer.sure == (answer.confidence >= 0.4f));

  const Answer open = model.answer(scene, kQuestions[1], 2, session);
  CHECK(session.decodes == 2);
  CHECK(open.candidates.size() == 2);
  CHECK(std::find(model.vocabulary().begin(), model.vocabulary().end(), open.text) !=
        model.vocabulary().end());
  CHECK_THROWS_AS(model.answer(scene, kQuestions[1], AnswerTable{}, 1, session), Error);
  CHECK(session.decodes == 2);
}

TEST_CASE("a candidate that the model knows has the embedding that the file holds") {
  const test::Folder scratch;  // the answers of tiny.gguf are what its text tower makes of them
  const Model model = Model::open(quantised(scratch, "decoder.answers=t5"));
  Session session(1);
  const std::string known(model.vocabulary().front());
  std::string upper = known;
  std::ranges::transform(upper, upper.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  REQUIRE(upper != known);
  const AnswerTable table = model.encode({{known, upper}}, session);
  const auto row = [&](size_t i) {
    return std::span(table.embeddings).subspan(i * model.dim(), model.dim());
  };
  CHECK(std::ranges::equal(row(0), row(1)));
  CHECK(cosine(row(0), row(0)) == doctest::Approx(1));
  Answer answer;  // nothing is as like it as itself
  model.decode(row(0), nullptr, 1, answer, session);
  CHECK(answer.text == known);
  std::vector<float> encoded(model.dim());
  model.embed(known, encoded, session);
  CHECK(cosine(row(0), encoded) < 0.99);
}

TEST_CASE("same bits for any number of threads, several questions at once, and shared models") {
  const oneapi::tbb::global_control workers(oneapi::tbb::global_control::max_allowed_parallelism,
                                            3);
  const test::Folder scratch;
  const Golden golden;
  for (const auto& path : {kGolden / "tiny.gguf", quantised(scratch, kTernary)}) {
    const Model model = Model::open(path);
    std::vector<float> first;
    for (const int threads : {1, 2, 3}) {
      Session session(threads);
      const Scene scene = model.see(golden.image("picture"), session);
      std::vector<float> all = scene.features;
      for (const auto& q : kQuestions) {
        const auto p = predict(model, scene, q, session);
        all.insert(all.end(), p.begin(), p.end());
      }
      const std::vector<std::string> questions(std::begin(kQuestions), std::end(kQuestions));
      std::vector<float> batch(3 * model.dim());
      model.predict(scene, questions, batch, session);
      CHECK(test::same_bits(batch, {all.end() - static_cast<long>(batch.size()), all.end()}));
      if (threads == 1) first = all;
      CHECK(test::same_bits(all, first));
    }
    std::vector<std::vector<float>> results(4);
    std::vector<std::thread> callers;
    for (auto& result : results) {
      callers.emplace_back([&model, &golden, &result] {
        Session session(1);
        const Scene scene = model.see(golden.image("picture"), session);
        result = predict(model, scene, kQuestions[1], session);
      });
    }
    for (auto& t : callers) t.join();
    const auto at = first.end() - static_cast<long>(2 * model.dim());
    for (const auto& r : results) {
      CHECK(test::same_bits(r, {at, at + static_cast<long>(model.dim())}));
    }
  }
}

TEST_CASE("a warm forward pass allocates nothing: see, embed, predict, answer") {
  const test::Folder scratch;
  const Golden golden;
  const Model model = Model::open(quantised(scratch, kTernary));
  Session session(1);
  Scene scene;
  Answer answer;
  const AnswerTable table = model.encode(std::vector<std::string>{"cat", "dog", "red"}, session);
  std::vector<float> out(model.dim());
  const auto pass = [&] {
    model.see(golden.image("picture"), scene, session);
    model.embed(scene, out, session);
    model.predict(scene, kQuestions[1], out, session);
    model.answer(scene, kQuestions[1], &table, 3, answer, session);
    model.answer(scene, kQuestions[2], nullptr, 5, answer, session);
  };
  pass();
  pass();
  const size_t before = test::news();
  const size_t blocks = session.workspace.system_allocations();
  pass();
  CHECK(test::news() == before);
  CHECK(session.workspace.system_allocations() == blocks);
}

TEST_CASE("what a model cannot take is an error that says so") {
  const Golden golden;
  const Model model = Model::open(kGolden / "tiny.gguf");
  Session session(1);
  std::vector<float> small(model.dim() - 1), right(model.dim());
  Scene scene;
  CHECK_THROWS_AS(model.predict(scene, "what?", right, session), Error);
  CHECK_THROWS_AS(model.see(vision::ImageView{}, session), Error);
  scene = model.see(golden.image("pixels"), session);
  CHECK_THROWS_AS(model.predict(scene, "what?", small, session), Error);
  CHECK_THROWS_AS(model.embed("cat", small, session), Error);
  CHECK_THROWS_AS(Model::open(kGolden / "missing.gguf"), Error);
  // What another model saw, though of the same shape.
  const Model twin = Model::open(kGolden / "tiny.gguf");
  CHECK_THROWS_WITH_AS(twin.predict(scene, "what?", right, session),
                       "scene: expected one that this model's see() made, found another", Error);
  CHECK_THROWS_AS(twin.embed(scene, right, session), Error);
  Support support;
  CHECK_THROWS_AS(twin.support(scene, "what?", "cat", support, session), Error);
  // What is no number is near to nothing.
  Answer answer;
  right[3] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(model.decode(right, nullptr, 1, answer, session), Error);
  // Names that lead nowhere are no exceptions of the file system's.
  const test::Folder scratch;
  std::filesystem::create_symlink("loop", scratch / "loop");
  for (const auto& path : {scratch / "loop", scratch / std::string(300, 'x')}) {
    CHECK_THROWS_AS(Model::open(path), Error);
    CHECK_THROWS_AS(CheckpointModel::open(path), Error);
  }
}
