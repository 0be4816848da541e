#include <doctest/doctest.h>
#include <sterna/models/check.h>

#include <string>
#include <vector>

#include "checkpoints.h"
#include "tests/nn/common.h"

using namespace sterna;

namespace {

std::vector<models::Agreement> check(const std::string& name, int threads,
                                     const models::CheckOptions& options) {
  return test::check(test::folder_of(name), name, options, threads);
}

}  // namespace

TEST_CASE("every family gives transformers' numbers, the same on every ISA and number of threads") {
  struct Case {
    const char* name;
    std::vector<std::string> outputs;
  };
  const std::vector<std::string> tower = {"last_hidden_state", "pooled"},
                                 dual = {"image_embeds", "text_embeds"},
                                 states = {"last_hidden_state"},
                                 sentences = {"last_hidden_state", "pooled", "sentence_embedding"};
  const std::vector<Case> cases = {
      {"bert", tower},
      {"clip", dual},
      {"composed", {"predicted", "target", "vision_tokens"}},
      {"deit", tower},
      {"dinov2", tower},
      {"dinov2_gelu",
       {"hidden_states.0", "hidden_states.1", "hidden_states.2", "last_hidden_state", "pooled"}},
      {"dinov2_registers", tower},
      {"dinov2_registers_resized", tower},
      {"dinov3", tower},
      {"embeddinggemma", sentences},
      {"gemma3", states},
      {"ijepa", {"hidden_states.1", "last_hidden_state"}},
      {"llama", states},
      {"modernbert", states},
      {"open_vljepa", {"predicted", "target", "vision_tokens", "vision_tokens_one_frame"}},
      {"qwen3", states},
      {"qwen3_embedding", sentences},
      {"sentence_bert", sentences},
      {"siglip", dual},
      {"siglip2", dual},
      {"siglip2_vision", tower},
      {"timm_registers", tower},
      {"timm_vit", tower},
      {"tinyclip", dual},
      {"vit", tower},
      {"vjepa2", states},
      {"vjepa21_levels", {"last_hidden_state", "predictor_output"}},
      {"vjepa2_predictor", {"hidden_states.1", "predictor_output"}},
      {"vjepa21", {"last_hidden_state", "predictor_output"}},
      {"vjepa21.picture", {"last_hidden_state", "predictor_output"}},
      {"vjepa2_predictor.picture", {"last_hidden_state", "predictor_output"}},
      {"xlm_roberta", tower}};
  REQUIRE(cases.size() == test::goldens().size());
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

TEST_CASE("blocks packed to other formats cost what those cost, in every family") {
  for (const std::string& name : test::goldens()) {
    CAPTURE(name);
    for (const quant::Isa isa : test::isas()) {
      CAPTURE(quant::name(isa));
      for (const auto& a : check(name, 1, {isa, quant::Type::bf16})) {
        CAPTURE(a.output);
        CHECK(a.cosine >= 0.9995);
      }
      for (const auto& a : check(name, 1, {isa, quant::Type::i8})) {
        CAPTURE(a.output);
        CHECK(a.cosine >= 0.998);
      }
    }
  }
}

TEST_CASE("blocks packed to ternary without training are another network, but a finite one") {
  for (const char* name : {"bert", "vit", "vjepa2", "llama", "open_vljepa"}) {
    CAPTURE(name);
    for (const quant::Isa isa : test::isas()) {
      for (const auto& a : check(name, 1, {isa, quant::Type::t5})) {
        CHECK(a.cosine > 0.3);
        CHECK(a.cosine < 0.9999);
      }
    }
  }
}
