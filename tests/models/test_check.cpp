#include <doctest/doctest.h>
#include <sterna/models/check.h>

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "tests/nn/common.h"

using namespace sterna;

namespace {

const std::filesystem::path kFolder =
    std::filesystem::path(STERNA_TEST_DATA) / "golden/checkpoints";

std::vector<models::Agreement> check(const std::string& name, int threads,
                                     const models::CheckOptions& options) {
  Session session(threads);
  return models::check(kFolder / name, kFolder / (name + ".golden.safetensors"), session, options);
}

}  // namespace

TEST_CASE("every family gives transformers' numbers, the same on every ISA and number of threads") {
  struct Case {
    const char* name;
    std::vector<std::string> outputs;
  };
  const std::vector<std::string> tower = {"last_hidden_state", "pooled"},
                                 dual = {"image_embeds", "text_embeds"},
                                 states = {"last_hidden_state"};
  const std::vector<Case> cases = {
      {"bert", tower},
      {"clip", dual},
      {"deit", tower},
      {"dinov2", tower},
      {"dinov2_registers", tower},
      {"dinov3", tower},
      {"gemma3", states},
      {"llama", states},
      {"modernbert", states},
      {"open_vljepa", {"predicted", "target", "vision_tokens", "vision_tokens_one_frame"}},
      {"qwen3", states},
      {"siglip", dual},
      {"vit", tower},
      {"vjepa2", states},
      {"xlm_roberta", tower}};
  for (const Case& expected : cases) {
    const std::string name = expected.name;
    const std::vector<std::string>& outputs = expected.outputs;
    CAPTURE(name);
    const auto best = check(name, 1, {});
    REQUIRE(best.size() == outputs.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      CAPTURE(outputs[i]);
      CHECK(best[i].output == outputs[i]);
      CHECK(best[i].cosine >= 0.99999);
      CHECK(best[i].cosine <= 1);
      CHECK(best[i].max_rel_err <= 1e-5);
    }
    const auto two = check(name, 2, {});
    for (size_t i = 0; i < outputs.size(); ++i) CHECK(two[i].max_rel_err == best[i].max_rel_err);
    for (const quant::Isa isa : test::isas()) {
      for (const auto& agreement : check(name, 1, {isa, quant::Type::f32}))
        CHECK(agreement.max_rel_err <= 1e-5);
    }
  }
}

TEST_CASE("blocks packed to other formats cost what those cost") {
  for (const char* name : {"bert", "vit", "vjepa2", "llama", "open_vljepa"}) {
    CAPTURE(name);
    for (const quant::Isa isa : test::isas()) {
      for (const auto& a : check(name, 1, {isa, quant::Type::bf16})) CHECK(a.cosine >= 0.9995);
      for (const auto& a : check(name, 1, {isa, quant::Type::i8})) CHECK(a.cosine >= 0.998);
      for (const auto& a : check(name, 1, {isa, quant::Type::t5})) {
        CHECK(a.cosine > 0.3);  // ternary without training: another network, but finite
        CHECK(a.cosine < 0.9999);
      }
    }
  }
}
