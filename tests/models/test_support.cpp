// Model::support: where in a picture an answer rests.
#include <doctest/doctest.h>
#include <sterna/models/model.h>
#include <sterna/quant/error.h>
#include <tests/nn/common.h>

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "counting_new.h"

using namespace sterna;

namespace {

const std::filesystem::path kTiny = STERNA_TEST_DATA "/golden/tower/tiny.gguf";

/// A picture with something in every corner.
vision::Image picture(size_t width, size_t height) {
  vision::Image image{width, height, std::vector<uint8_t>(width * height * 3)};
  for (size_t i = 0; i < image.rgb.size(); ++i) {
    image.rgb[i] = static_cast<uint8_t>(i * 7 + i / (width * 3) * 31);
  }
  return image;
}

}  // namespace

TEST_CASE("support: a number a place, its cosine that of the prediction, any number of threads") {
  const Model model = Model::open(kTiny);
  const vision::Image image = picture(50, 37);
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    Session session(threads);
    const Scene scene = model.see(image.view(), session);
    CHECK(scene.seen == std::array<float, 4>{0, 0, 1, 1});
    Support support;
    model.support(scene, "what is in the picture?", "cat", support, session);
    CHECK(session.decodes == 0);
    CHECK(support.grid * support.grid + 1 == scene.tokens);
    REQUIRE(support.places.size() == support.grid * support.grid);
    std::vector<float> predicted(model.dim());
    model.predict(scene, "what is in the picture?", predicted, session);
    const std::vector<std::string> answer{"cat"};
    const std::vector<float> cat = model.encode(answer, session).embeddings;
    const double cosine = std::inner_product(predicted.begin(), predicted.end(), cat.begin(), 0.0);
    CHECK(static_cast<double>(support.cosine) == doctest::Approx(cosine).epsilon(1e-5));
    bool any = false;
    for (const float place : support.places) {
      CHECK(std::isfinite(place));
      any = any || place != 0;
    }
    CHECK(any);
    if (threads == 1) first = support.places;
    CHECK(test::same_bits(support.places, first));
  }
}

TEST_CASE("support: an answer of the model's own is embedded as the one that is chosen") {
  const Model model = Model::open(STERNA_SOURCE_DIR "/models/sterna-nano.gguf");
  Session session(1);
  const Scene scene = model.see(picture(50, 37).view(), session);
  std::vector<float> predicted(model.dim()), embedded(model.dim());
  model.predict(scene, "what is it?", predicted, session);
  const auto cosine = [&](const std::vector<float>& with) {
    return std::inner_product(predicted.begin(), predicted.end(), with.begin(), 0.0);
  };
  for (const std::string answer : {"cat", "Dog", "a text that is no answer of the file"}) {
    CAPTURE(answer);
    Support support;
    model.support(scene, "what is it?", answer, support, session);
    const std::vector<float> chosen = model.encode(std::vector{answer}, session).embeddings;
    CHECK(static_cast<double>(support.cosine) == doctest::Approx(cosine(chosen)).epsilon(1e-4));
    // Known answers are rows of the file, not what the text tower says.
    model.embed(answer, embedded, session);
    CHECK((embedded == chosen) == answer.starts_with("a text"));
  }
}

TEST_CASE("support: once warm it allocates no more than embedding the answer's text") {
  const Model model = Model::open(kTiny);
  Session session(1);
  const Scene scene = model.see(picture(64, 64).view(), session);
  Support support;
  std::vector<float> embedded(model.dim());
  const auto pass = [&] { model.support(scene, "this Zebra?", "red cup", support, session); };
  pass();
  pass();
  size_t before = test::news();
  model.embed("red cup", embedded, session);
  const size_t text = test::news() - before, blocks = session.workspace.system_allocations();
  before = test::news();
  pass();
  CHECK(test::news() - before <= text);
  CHECK(session.workspace.system_allocations() == blocks);
}

TEST_CASE("support: a scene the model did not see is refused") {
  const Model model = Model::open(kTiny);
  Session session(1);
  Support support;
  CHECK_THROWS_AS(model.support(Scene{}, "what?", "cat", support, session), Error);
}
