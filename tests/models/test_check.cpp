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

std::vector<models::Agreement> check(const std::string& name, int threads, quant::Isa isa) {
  Session session(threads);
  return models::check(kFolder / name, kFolder / (name + ".golden.safetensors"), session, isa);
}

}  // namespace

TEST_CASE("every family gives transformers' numbers, the same on every ISA and number of threads") {
  struct Case {
    const char* name;
    std::vector<std::string> outputs;
  };
  for (const Case& expected :
       {Case{"bert", {"last_hidden_state", "pooled"}},
        Case{"clip", {"image_embeds", "text_embeds"}},
        Case{"dinov2", {"last_hidden_state", "pooled"}},
        Case{"dinov2_registers", {"last_hidden_state", "pooled"}},
        Case{"gemma3", {"last_hidden_state"}},
        Case{"open_vljepa", {"predicted", "target", "vision_tokens", "vision_tokens_one_frame"}},
        Case{"siglip", {"image_embeds", "text_embeds"}},
        Case{"vit", {"last_hidden_state", "pooled"}}, Case{"vjepa2", {"last_hidden_state"}}}) {
    const std::string name = expected.name;
    const std::vector<std::string>& outputs = expected.outputs;
    CAPTURE(name);
    const auto best = check(name, 1, quant::best_isa());
    REQUIRE(best.size() == outputs.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      CAPTURE(outputs[i]);
      CHECK(best[i].output == outputs[i]);
      CHECK(best[i].cosine >= 0.99999);
      CHECK(best[i].cosine <= 1);
      CHECK(best[i].max_rel_err <= 1e-5);
    }
    const auto two = check(name, 2, quant::best_isa());
    for (size_t i = 0; i < outputs.size(); ++i) CHECK(two[i].max_rel_err == best[i].max_rel_err);
    for (const quant::Isa isa : test::isas()) {
      for (const auto& agreement : check(name, 1, isa)) CHECK(agreement.max_rel_err <= 1e-5);
    }
  }
}
