#include <doctest/doctest.h>
#include <sterna/models/model.h>
#include <sterna/quant/half.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "golden.h"

using namespace sterna;

TEST_CASE("texts embedded by the default model point about where the original MiniLM points") {
  const std::filesystem::path file =
      std::filesystem::path(STERNA_SOURCE_DIR) / "models" / "sterna-nano.gguf";
  REQUIRE(std::filesystem::exists(file));
  const Model model = Model::open(file);
  REQUIRE(model.dim() == 384);
  Session session(2);
  test::Golden golden("minilm.bin");
  std::vector<float> found(384);
  double least = 1.0, sum = 0.0;
  size_t texts = 0;
  for (; !golden.done(); ++texts) {
    const std::string text = golden.bytes(golden.value<uint32_t>());
    model.embed(text, found, session);
    double dot = 0.0, square = 0.0;
    for (const float v : found) {
      const double expected = double{quant::f16_to_f32(golden.value<uint16_t>())};
      dot += expected * double{v};
      square += expected * expected;
    }
    const double cosine = dot / std::sqrt(square);
    least = std::min(least, cosine);
    sum += cosine;
  }
  CHECK(texts == 50);
  // The tower is a ternary one that learned from MiniLM on English words, questions, captions and
  // glosses; this set has prose, other scripts and odd strings, too (models/README.md).
  CHECK(sum / static_cast<double>(texts) >= 0.88);
  CHECK(least >= 0.5);
}
