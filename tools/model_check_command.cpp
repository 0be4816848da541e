#include <sterna/models/check.h>
#include <sterna/quant/error.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/error.h"
#include "cli/model_path.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/text.h"

namespace sterna::cli {
namespace {

std::string line(const models::Agreement& a, bool json) {
  if (json) {
    // A tensor's name may be any bytes, and numbers that are no numbers become null.
    return nlohmann::ordered_json{
        {"output", a.output}, {"cosine", a.cosine}, {"max_rel_err", a.max_rel_err}}
        .dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  }
  char text[64];
  std::snprintf(text, sizeof text, "cosine %.8f  largest error %.2e", a.cosine, a.max_rel_err);
  std::string name = printable(a.output);
  name.resize(std::max<size_t>(name.size(), 24), ' ');
  return name + "  " + text;
}

/// What counts as agreement where nobody says: rounding alone, or that of the format.
double expected_cosine(quant::Type weights) {
  if (weights == quant::Type::f32) return 0.9999;
  return weights == quant::Type::bf16 ? 0.9995 : 0.998;
}

}  // namespace

/// `sterna model check MODEL --golden FILE`.
int model_check_command(int argc, char** argv) {
  Options options(
      "model check", "MODEL --golden FILE.safetensors",
      "Run a model on the inputs in a golden file and compare with the outputs in it.\n"
      "MODEL is a Hugging Face folder (config.json and model.safetensors), open-vljepa's, or\n"
      "a GGUF. For each output: the cosine, and the largest difference over the largest\n"
      "expected magnitude. Exit code 1 if a cosine is below --min-cosine.");
  options.add_model_options();
  options.add()("golden", "Inputs and expected outputs", cxxopts::value<std::string>(), "FILE")(
      "min-cosine", "What counts as agreement (default: 0.9999; 0.9995 for bf16, 0.998 for others)",
      cxxopts::value<double>(), "X");
  options.add()("weights", "Pack a folder's transformer blocks: f32, bf16, i8, t2, t5, t34, t14",
                cxxopts::value<std::string>()->default_value("f32"), "TYPE");
  options.epilogue(
      "Inputs: pixels, query_ids, query_mask, target_ids, target_mask; or pixel_values\n"
      "(patches: with spatial_shapes, pixel_attention_mask), pixel_values_videos, input_ids,\n"
      "attention_mask; context_mask, target_mask. Outputs: vision_tokens,\n"
      "vision_tokens_one_frame, predicted, target; or last_hidden_state, hidden_states.N,\n"
      "pooled, image_embeds, text_embeds, sentence_embedding, predictor_output.");
  const auto args = options.parse(argc, argv);
  if (!args) return kDone;
  const Common common = options.common(*args);
  const auto& names = options.positionals();
  const size_t named = names.size() + (common.model.empty() ? 0 : 1);
  if (named != 1)
    throw UsageError("expected one MODEL, as a name or as --model, found " + std::to_string(named));
  if (args->count("golden") != 1) throw UsageError("expected --golden FILE");
  models::CheckOptions how;
  how.isa = common.isa;
  try {
    how.weights = quant::parse_type((*args)["weights"].as<std::string>());
  } catch (const Error& e) {
    throw UsageError(std::string("--weights: ") + e.what());
  }
  const double least = args->count("min-cosine") != 0 ? (*args)["min-cosine"].as<double>()
                                                      : expected_cosine(how.weights);
  if (!(least >= -1 && least <= 1)) throw UsageError("--min-cosine: expected a number up to 1");
  Session session(common.threads);
  const auto all = models::check(names.empty() ? common.model : names[0],
                                 (*args)["golden"].as<std::string>(), session, how);
  int code = kDone;
  for (const models::Agreement& agreement : all) {
    print_line(line(agreement, common.json));
    if (agreement.cosine >= least) continue;
    message("model check: " + printable(agreement.output) + ": the cosine is below " +
            std::to_string(least));
    code = kSomeFailed;
  }
  return code;
}

}  // namespace sterna::cli
