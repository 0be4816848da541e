// Texts written from embeddings: PyTorch's ids and scores on every instruction set, and the model's
// calls around them.
#include <doctest/doctest.h>
#include <sterna/models/gguf_writer.h>
#include <sterna/models/model.h>
#include <sterna/models/quantize.h>
#include <sterna/models/safetensors.h>
#include <sterna/quant/error.h>
#include <tests/nn/common.h>
#include <tests/support/folder.h>

#include <cmath>
#include <string>
#include <vector>

#include "counting_new.h"
#include "models/bind.h"
#include "models/writer.h"

using namespace sterna;

namespace {

const std::filesystem::path kGolden = STERNA_TEST_DATA "/golden/generator";
const std::filesystem::path kTiny = kGolden / "tiny.gguf";
constexpr size_t kDim = 32, kCues = 8;

std::filesystem::path quantised(const test::Folder& scratch, const char* rules) {
  const auto out = scratch / "tiny-quantised.gguf";
  models::quantize(kTiny, out, models::parse_rules(rules));
  return out;
}

constexpr const char* kTernary =
    "*norm.weight=keep,language.*=keep,vision.*=keep,predictor.*=keep,"
    "generator.blocks.*.weight=t5";

/// Every text for every cue with 1 and 3 beams against the golden of one mode.
void compare(const std::filesystem::path& path, const std::string& mode, double tolerance) {
  const auto golden = models::Safetensors::open(kGolden / "tiny.safetensors");
  const std::vector<float> cues = golden.at("embedding").floats();
  const models::Gguf file = models::Gguf::open(path);
  for (const auto isa : test::isas()) {
    CAPTURE(quant::name(isa));
    const auto words = models::bind_text_parts(file, isa).tokenizer;
    const auto writer = models::bind_generator(file, kDim, words, isa);
    REQUIRE(writer);
    for (const size_t beams : {1UL, 3UL}) {
      for (size_t cue = 0; cue < kCues; ++cue) {
        CAPTURE(beams);
        CAPTURE(cue);
        const std::string at = "." + std::to_string(beams) + "." + std::to_string(cue);
        const auto& want = golden.at(mode + ".ids" + at);
        const auto* ids = reinterpret_cast<const int32_t*>(want.data.data());
        const std::vector<float> scores = golden.at(mode + ".score" + at).floats();
        nn::Executor executor(1);
        nn::Workspace workspace;
        std::vector<decoder::GeneratedText> texts(beams);
        const size_t found = writer->generate(std::span(cues).subspan(cue * kDim, kDim),
                                                        texts, executor, workspace);
        REQUIRE(found == want.shape[0]);
        for (size_t i = 0; i < found; ++i) {
          std::vector<int32_t> got(texts[i].ids.begin(), texts[i].ids.end());
          got.resize(want.shape[1], -1);
          CHECK(got == std::vector<int32_t>(ids + i * got.size(), ids + (i + 1) * got.size()));
          CHECK(texts[i].log_probability == doctest::Approx(scores[i]).epsilon(tolerance));
        }
      }
    }
  }
}

std::vector<float> cue(size_t i) {
  const auto cues =
      models::Safetensors::open(kGolden / "tiny.safetensors").at("embedding").floats();
  const auto at = cues.begin() + static_cast<long>(i * kDim);
  return {at, at + static_cast<long>(kDim)};
}

}  // namespace

TEST_CASE("float generator: texts and scores are PyTorch's") { compare(kTiny, "float", 1e-4); }

TEST_CASE("ternary generator: the packed weights write what the fake-quantised network writes") {
  const test::Folder scratch;
  compare(quantised(scratch, kTernary), "ternary", 1e-3);
}

TEST_CASE("the shipped types of a table and a prefix: close to the float ones") {
  const test::Folder scratch;
  const auto golden = models::Safetensors::open(kGolden / "tiny.safetensors");
  const models::Gguf file =
      models::Gguf::open(quantised(scratch, "generator.table=i8row,generator.prefix.weight=i8"));
  const auto words = models::bind_text_parts(file, quant::best_isa()).tokenizer;
  const auto writer = models::bind_generator(file, kDim, words, quant::best_isa());
  REQUIRE(writer);
  nn::Executor executor(1);
  nn::Workspace workspace;
  for (const size_t i : {0UL, 2UL, 3UL, 6UL}) {
    decoder::GeneratedText text[1];
    CHECK(writer->generate(cue(i), text, executor, workspace) == 1);
    const float want = golden.at("float.score.1." + std::to_string(i)).floats()[0];
    CHECK(text[0].log_probability == doctest::Approx(want).epsilon(0.05));
  }
}

TEST_CASE(
    "the model's generate: candidates best first, one decode, the same bits for any threads") {
  const Model model = Model::open(kTiny);
  CHECK(model.generates());
  CHECK(model.caption_question() == "what is in the picture?");
  Answer first;
  for (const int threads : {1, 2, 3}) {
    Session session(threads);
    Answer answer;
    model.generate(cue(6), 3, answer, session);
    CHECK(session.decodes == 1);
    CHECK(answer.candidates.size() == 2);
    CHECK(answer.text == "are are? are? are cup");
    CHECK(answer.text == answer.candidates[0].text);
    CHECK(answer.confidence == answer.candidates[0].score);
    CHECK(answer.sure == (answer.confidence >= 0.2F));
    CHECK(answer.candidates[0].score >= answer.candidates[1].score);
    if (threads == 1) first = answer;
    for (size_t i = 0; i < 2; ++i) CHECK(answer.candidates[i].score == first.candidates[i].score);
  }
  Session session(1);
  Answer one;
  model.generate(cue(6), 1, one, session);
  CHECK(one.candidates.size() == 1);
  CHECK(one.text == first.text);
}

TEST_CASE("captions answer the file's question; a warm one allocates nothing") {
  const Model model = Model::open(kTiny);
  const std::vector<std::byte> pixels(64 * 64 * 3, std::byte{90});
  const vision::ImageView image{pixels.data(), 64, 64, 64 * 3, vision::PixelFormat::rgb, 8};
  Session session(1);
  const Scene scene = model.see(image, session);
  Answer caption, answer;
  const auto pass = [&] {
    model.caption(scene, 3, caption, session);
    model.generate(scene, model.caption_question(), 3, answer, session);
  };
  pass();
  pass();
  const size_t before = test::news(), blocks = session.workspace.system_allocations();
  pass();
  CHECK(test::news() == before);
  CHECK(session.workspace.system_allocations() == blocks);
  CHECK(caption.text == answer.text);
  CHECK(!caption.text.empty());
  CHECK(session.decodes == 6);
}

TEST_CASE("a file may weigh the head of captions by itself, and of captions alone") {
  const test::Folder scratch;
  const models::Gguf from = models::Gguf::open(kTiny);
  const std::string_view key = "sterna.generator.caption_head_scale";
  const auto weighed = [&](double scale) {
    const auto path = scratch / "weighed.gguf";
    models::GgufWriter out(path);
    for (const auto& [name, value] : from.metadata())
      if (name != "general.alignment") out.copy(name, from);
    out.set(key, models::GgufValue(scale));
    for (const models::GgufTensor& t : from.tensors()) out.declare(t.name, t.type, t.shape);
    for (const models::GgufTensor& t : from.tensors()) out.write(t.data);
    out.commit();
    return path;
  };
  CHECK_THROWS_WITH_AS(Model::open(weighed(0)), doctest::Contains(std::string(key).c_str()), Error);
  const Model plain = Model::open(kTiny), same = Model::open(weighed(1)),
              other = Model::open(weighed(0.01));
  const std::vector<std::byte> pixels(64 * 64 * 3, std::byte{90});
  const vision::ImageView image{pixels.data(), 64, 64, 64 * 3, vision::PixelFormat::rgb, 8};
  const auto written = [&](const Model& model, std::string_view question) {
    Session session(1);
    Answer answer;
    model.generate(model.see(image, session), question, 1, answer, session);
    return answer.confidence;
  };
  const std::string_view caption = plain.caption_question();
  CHECK(written(plain, caption) == written(same, caption));
  CHECK(written(plain, caption) != written(other, caption));
  CHECK(written(plain, "is it red?") == written(other, "is it red?"));
}

TEST_CASE("a model without a generator, and embeddings that do not fit, are errors that say so") {
  const Model without = Model::open(STERNA_TEST_DATA "/golden/tower/tiny.gguf");
  CHECK(!without.generates());
  Session session(1);
  Answer answer;
  CHECK_THROWS_WITH_AS(without.generate(cue(0), 1, answer, session),
                       doctest::Contains("tiny.gguf: the model has no generator"), Error);
  CHECK_THROWS_AS(without.caption_question(), Error);
  CHECK(session.decodes == 0);
  const Model with = Model::open(kTiny);
  CHECK_THROWS_AS(with.generate(std::vector<float>(31), 1, answer, session), Error);
  const std::vector<float> no_numbers(kDim, std::nanf(""));
  CHECK_THROWS_AS(with.generate(no_numbers, 1, answer, session), Error);
}
