#include <doctest/doctest.h>
#include <sterna/models/checkpoint_model.h>
#include <sterna/models/convert.h>
#include <sterna/quant/error.h>
#include <tests/support/folder.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "tests/models/counting_new.h"
#include "tests/vision/pixels_support.h"

using namespace sterna;
namespace fs = std::filesystem;

namespace {

const fs::path kGolden = fs::path(STERNA_TEST_DATA) / "golden";

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  const auto dot = [](const auto& x, const auto& y) {
    return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
  };
  return dot(a, b) / std::sqrt(dot(a, a) * dot(b, b));
}

/// Lines of questions.jsonl: with "question" or with "text".
std::vector<nlohmann::json> lines(const char* key) {
  std::ifstream in(kGolden / "questions.jsonl");
  std::vector<nlohmann::json> out;
  for (std::string line; std::getline(in, line);) {
    auto json = nlohmann::json::parse(line);
    if (json.contains(key)) out.push_back(std::move(json));
  }
  return out;
}

/// The frames of a line, as the model's tower reads them.
struct Frames {
  Frames(const CheckpointModel& model, const nlohmann::json& line, Session& session) {
    for (const uint64_t seed : line["seeds"]) {
      const vision::Image picture =
          test::noise(line["width"], line["height"], seed, line["kind"] == "blocks");
      const vision::Sides sides = model.prepared(picture.view());
      pixels.emplace_back(3 * sides.width * sides.height);
      model.prepare(picture.view(), pixels.back(), session);
      clips.push_back({pixels.back().data(), 1, sides.height, sides.width});
      pictures.push_back(picture);
    }
  }
  std::vector<vision::Image> pictures;
  std::vector<std::vector<float>> pixels;
  std::vector<vision::Clip> clips;
};

std::vector<float> predict(const CheckpointModel& model, const nlohmann::json& line, int threads) {
  Session session(threads);
  const Frames frames(model, line, session);
  Scene scene;
  model.see(std::span<const vision::Clip>(frames.clips), scene, session);
  std::vector<float> out(model.dim());
  model.predict(scene, line["question"].get<std::string>(), out, session);
  CHECK(session.decodes == 0);
  return out;
}

}  // namespace

TEST_CASE("what is predicted for a question is PyTorch's, from pixels and words on") {
  size_t seen = 0;
  for (const auto& line : lines("question")) {
    const auto model = CheckpointModel::open(kGolden / "questions" / line["folder"]);
    const std::string question = line["question"];
    INFO(line["folder"].get<std::string>(), " ", question);
    const auto want = line["predicted"].get<std::vector<float>>();
    REQUIRE(model.dim() == want.size());
    const auto found = predict(model, line, 1);
    CHECK(cosine(found, want) >= 0.999999);
    CHECK(cosine(found, found) == doctest::Approx(1));
    CHECK(predict(model, line, 3) == found);
    ++seen;
    // Embedding asks its own question, of pictures, clips and prepared frames alike.
    if (question != model.embedding_question()) continue;
    Session session(1);
    const Frames frames(model, line, session);
    std::vector<vision::ImageView> views;
    for (const auto& picture : frames.pictures) views.push_back(picture.view());
    std::vector<float> out(model.dim());
    model.embed(views, out, session);
    CHECK(out == found);
    model.embed(std::span<const vision::Clip>(frames.clips), out, session);
    CHECK(out == found);
    const size_t before = test::news();
    model.embed(views, out, session);
    CHECK(test::news() == before);  // the session is warm
    if (views.size() > 1) continue;
    model.embed(views[0], out, session);
    CHECK(out == found);
    Scene scene;
    model.see(views[0], scene, session);
    model.predict(scene, question, out, session);
    CHECK(out == found);
  }
  CHECK(seen == 18);
}

TEST_CASE("answers are embedded as PyTorch's text tower does, and the nearest one is taken") {
  for (const char* folder : {"vljepa", "composed"}) {
    CAPTURE(folder);
    const auto model = CheckpointModel::open(kGolden / "questions" / folder);
    Session session(1);
    std::vector<std::string> texts;
    std::vector<std::vector<float>> targets;
    for (const auto& line : lines("text")) {
      if (line["folder"] != folder) continue;
      texts.push_back(line["text"]);
      targets.push_back(line["target"]);
    }
    REQUIRE(texts.size() == 3);
    const AnswerTable table = model.encode(texts, session);
    for (size_t i = 0; i < texts.size(); ++i) {
      const auto row = table.embeddings.begin() + static_cast<ptrdiff_t>(i * model.dim());
      CHECK(cosine({row, row + static_cast<ptrdiff_t>(model.dim())}, targets[i]) >= 0.999999);
    }
    for (const auto& line : lines("question")) {
      if (line["folder"] != folder) continue;
      const Frames frames(model, line, session);
      Scene scene;
      model.see(std::span<const vision::Clip>(frames.clips), scene, session);
      const size_t before = session.decodes;
      const Answer answer =
          model.answer(scene, line["question"].get<std::string>(), table, 3, session);
      CHECK(session.decodes == before + 1);
      // The softmax of the references' cosines: open-vljepa's temperature, the other's own.
      const double temperature = std::string(folder) == "vljepa" ? 0.07 : 0.1;
      std::vector<double> share;
      for (const auto& target : targets)
        share.push_back(std::exp(cosine(line["predicted"], target) / temperature));
      const double sum = std::accumulate(share.begin(), share.end(), 0.0);
      REQUIRE(answer.candidates.size() == 3);
      for (const Candidate& candidate : answer.candidates) {
        const auto at = std::find(texts.begin(), texts.end(), candidate.text) - texts.begin();
        CHECK(static_cast<double>(candidate.score) ==
              doctest::Approx(share[static_cast<size_t>(at)] / sum).epsilon(1e-4));
      }
      CHECK(answer.text == answer.candidates[0].text);
      CHECK(answer.confidence == answer.candidates[0].score);
      CHECK(answer.candidates[0].score >= answer.candidates[1].score);
      CHECK(answer.candidates[1].score >= answer.candidates[2].score);
      CHECK(answer.sure == (answer.confidence >= 0.5F));
    }
  }
}

TEST_CASE("a converted file answers as its folder does") {
  const test::Folder scratch;
  for (const char* folder : {"vljepa", "composed"}) {
    CAPTURE(folder);
    models::convert(kGolden / "questions" / folder, scratch / "m.gguf");
    const auto file = CheckpointModel::open(scratch / "m.gguf");
    const auto whole = CheckpointModel::open(kGolden / "questions" / folder);
    CHECK(file.predicts());
    for (const auto& line : lines("question"))
      if (line["folder"] == folder) CHECK(predict(file, line, 1) == predict(whole, line, 1));
    Session session(1);
    const std::vector<std::string> texts{"a cat", "no"};
    CHECK(file.encode(texts, session).embeddings == whole.encode(texts, session).embeddings);
  }
}

TEST_CASE("what can't be asked says why") {
  const auto fault = [](const fs::path& folder) {
    const auto model = CheckpointModel::open(folder);
    return test::message_of<Error>([&] { model.expect_questions(); });
  };
  const auto checkpoints = kGolden / "checkpoints";
  CHECK(fault(checkpoints / "clip") == (checkpoints / "clip").string() +
                                           ": expected a predictor, which hears questions, found "
                                           "two towers alone");
  CHECK(fault(checkpoints / "vit").ends_with("found a tower alone"));
  CHECK(fault(checkpoints / "composed")
            .starts_with((checkpoints / "composed/predictor").string() +
                         ": expected tokenizer.json"));

  const auto model = CheckpointModel::open(kGolden / "questions/vljepa");
  Session session(1);
  Scene scene;
  std::vector<float> out(model.dim()), small(3);
  CHECK_THROWS_AS(model.predict(scene, "what?", out, session), Error);  // nothing was seen
  const vision::Image picture = test::noise(30, 20, 1);
  model.see(picture.view(), scene, session);
  model.predict(scene, "what?", out, session);
  CHECK_THROWS_AS(model.predict(scene, "what?", small, session), Error);
  Scene inner;  // tokens behind one block are for themselves
  model.see(picture.view(), inner, session, 1);
  CHECK_THROWS_AS(model.predict(inner, "what?", out, session), Error);
  CHECK_THROWS_AS(model.see(vision::ImageView{}, scene, session), Error);
  const std::string long_question(6000, 'w');
  CHECK(!model.hears_whole(long_question));
  CHECK(model.hears_whole("what?"));
  model.predict(scene, long_question, out, session);  // its first 512 tokens
  CHECK(cosine(out, out) == doctest::Approx(1));

  Answer answer;
  const AnswerTable none, narrow{{"a"}, {1, 2, 3}};
  CHECK(test::message_of<Error>([&] { model.decode(out, none, 1, answer, session); }) ==
        "choices: expected at least one, found none");
  CHECK_THROWS_AS(model.decode(out, narrow, 1, answer, session), Error);
  CHECK_THROWS_AS(model.decode(small, narrow, 1, answer, session), Error);
  const AnswerTable one{{"a"}, std::vector<float>(model.dim(), 1)};
  const std::vector<float> no_numbers(model.dim(), NAN);
  CHECK_THROWS_AS(model.decode(no_numbers, one, 1, answer, session), Error);
  CHECK(session.decodes == 0);
}

TEST_CASE("tokens of any depth can be had for themselves") {
  const auto model = CheckpointModel::open(kGolden / "checkpoints/dinov2");
  const vision::Image picture = test::noise(33, 50, 21, true);
  Session session(1);
  Scene all, none, last;
  model.see(picture.view(), all, session);
  CHECK(all.tokens == 1 + 16);  // CLS and 4 x 4 patches
  REQUIRE(all.features.size() == all.tokens * model.dim());
  std::vector<float> cls(all.features.begin(),
                         all.features.begin() + static_cast<ptrdiff_t>(model.dim()));
  std::vector<float> embedding(model.dim());
  model.embed(picture.view(), embedding, session);
  CHECK(cosine(cls, embedding) == doctest::Approx(1));
  model.see(picture.view(), none, session, 0);
  model.see(picture.view(), last, session, 2);
  CHECK(none.features != last.features);
  CHECK(last.features != all.features);  // the final norm is missing
  CHECK_THROWS_AS(model.see(picture.view(), none, session, 3), Error);
}

TEST_CASE("cosines become what the model makes of them") {
  // An embedding of one 1, and choices whose first numbers are cosines.
  const auto scored = [](const CheckpointModel& model) {
    AnswerTable table{{"a", "b", "c"}, std::vector<float>(3 * model.dim())};
    std::vector<float> one(model.dim()), scores(3);
    one[0] = 1;
    for (size_t i = 0; i < 3; ++i)
      table.embeddings[i * model.dim()] = std::vector{0.5F, -0.25F, 0.125F}[i];
    Session session(1);
    Answer answer;
    model.decode(one, table, 3, answer, session);
    CHECK(answer.candidates[0].text == "a");
    CHECK(answer.candidates[1].text == "c");
    for (const Candidate& c : answer.candidates)
      scores[static_cast<size_t>(c.text[0] - 'a')] = c.score;
    return scores;
  };
  const test::Folder scratch;
  for (const char* name : {"clip", "siglip", "siglip2", "vit"}) {
    const auto folder = CheckpointModel::open(kGolden / "checkpoints" / name);
    models::convert(kGolden / "checkpoints" / name, scratch / "m.gguf");
    CAPTURE(name);
    CHECK(scored(CheckpointModel::open(scratch / "m.gguf")) == scored(folder));
  }
  // logit_scale 2.375, and -0.0916 with a bias of -0.0592.
  const auto clip = scored(CheckpointModel::open(kGolden / "checkpoints/clip"));
  const double scale = std::exp(2.375), sum = std::exp(0.5 * scale) + std::exp(-0.25 * scale) +
                                              std::exp(0.125 * scale);
  CHECK(clip[0] == doctest::Approx(std::exp(0.5 * scale) / sum));
  CHECK(clip[1] == doctest::Approx(std::exp(-0.25 * scale) / sum));
  CHECK(clip[2] == doctest::Approx(std::exp(0.125 * scale) / sum));
  const auto siglip = scored(CheckpointModel::open(kGolden / "checkpoints/siglip"));
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  CHECK(siglip[1] ==
        doctest::Approx(sigmoid(-0.25 * std::exp(-0.091552734375) - 0.059173583984375)));
  CHECK(scored(CheckpointModel::open(kGolden / "checkpoints/vit")) ==
        std::vector<float>{0.5F, 0, 0.125F});
}
