// The model that ships, end to end: structure and determinism. How well it answers is for
// `sterna eval` on many pictures, not for a test on one.
#include <doctest/doctest.h>
#include <sterna/models/gguf.h>
#include <sterna/models/model.h>
#include <sterna/vision/decode.h>
#include <tests/nn/common.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "counting_new.h"

using namespace sterna;

namespace {

const std::filesystem::path kModel = STERNA_SOURCE_DIR "/models/sterna-nano.gguf";
const std::filesystem::path kPhotos = STERNA_SOURCE_DIR "/tools/examples/photos";

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

/// The embedding of a photo and the prediction for a question about it, end to end.
std::vector<float> both(const Model& model, const vision::Image& photo, Session& session) {
  std::vector<float> out(2 * model.dim());
  const Scene scene = model.see(photo.view(), session);
  model.embed(scene, std::span(out).first(model.dim()), session);
  model.predict(scene, "What animal is this?", std::span(out).last(model.dim()), session);
  return out;
}

}  // namespace

TEST_CASE("the shipped model is one small file that says what it is") {
  CHECK(std::filesystem::file_size(kModel) <= 13'200'000);
  const models::Gguf file = models::Gguf::open(kModel);
  CHECK(file.string("general.architecture") == "sterna");
  CHECK(!file.string("general.license").empty());
  const Model model = Model::open(kModel);
  CHECK(model.dim() == 384);
  CHECK(model.vocabulary().size() >= 1000);
}

TEST_CASE(
    "the shipped model: same bits for any number of threads, ISAs close, no decode to embed") {
  const vision::Image photo = vision::decode_file(kPhotos / "cat.jpg");
  std::vector<float> best;
  for (const auto isa : test::isas()) {
    const Model model = Model::open(kModel, {.isa = isa});
    std::vector<float> first;
    // The scalar reference takes a second a pass: once is enough there.
    for (int threads = 1; threads <= (isa == quant::Isa::scalar ? 1 : 3); ++threads) {
      Session session(threads);
      const auto out = both(model, photo, session);
      CHECK(session.decodes == 0);
      if (threads == 1) first = out;
      CHECK(test::same_bits(out, first));
    }
    for (const size_t half : {0UL, 1UL}) {
      const auto part = std::span(first).subspan(half * model.dim(), model.dim());
      CHECK(dot(part, part) == doctest::Approx(1.0).epsilon(1e-5));
      // Float sums differ in order between ISAs; an int8 activation at a tie may go the other way.
      if (!best.empty()) {
        CHECK(dot(part, std::span(best).subspan(half * model.dim(), model.dim())) >= 0.995);
      }
    }
    best = first;
  }
}

TEST_CASE("the shipped model: answers sum to 1, and a warm loop over pictures allocates nothing") {
  const Model model = Model::open(kModel);
  const vision::Image photos[] = {vision::decode_file(kPhotos / "cat.jpg"),
                                  vision::decode_file(kPhotos / "coffee.jpg")};
  Session session(1);
  const AnswerTable choices =
      model.encode(std::vector<std::string>{"cat", "dog", "coffee", "car"}, session);
  Scene scene;
  Answer answer;
  std::vector<float> out(model.dim());
  const auto pass = [&] {
    for (const auto& photo : photos) {
      model.see(photo.view(), scene, session);
      model.embed(scene, out, session);
      model.answer(scene, "What is this?", &choices, 4, answer, session);
    }
  };
  pass();
  pass();
  const size_t before = test::news(), blocks = session.workspace.system_allocations();
  pass();
  CHECK(test::news() == before);
  CHECK(session.workspace.system_allocations() == blocks);
  CHECK(session.decodes == 6);
  CHECK(answer.candidates.size() == 4);
  double total = 0;
  for (const auto& c : answer.candidates) total += static_cast<double>(c.score);
  CHECK(total == doctest::Approx(1.0));

  const Answer open = model.answer(scene, "What is this?", 1000, session);
  CHECK(open.candidates.size() == 1000);
  for (size_t i = 1; i < open.candidates.size(); ++i) {
    CHECK(open.candidates[i - 1].score >= open.candidates[i].score);
  }
}
