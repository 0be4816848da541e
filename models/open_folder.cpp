#include <sterna/quant/error.h>

#include <array>
#include <cmath>
#include <utility>

#include "blocks.h"
#include "text.h"
#include "towers.h"

namespace sterna::models {
namespace {

using Kind = FolderModel::Kind;

/// The scale that was learned beside both towers, and SigLIP's bias.
std::optional<Logits> bind_logits(const Config& config, const Tensors& tensors) {
  const auto number = [&](const char* name) -> std::optional<float> {
    if (!tensors.has(name)) return {};
    const float value = tensors.number(name);
    if (std::abs(value) <= 100) return value;  // CLIP's is at most 4.6; no NaN
    throw Error(config.file() + ": tensor " + in_quotes(name) +
                ": expected a number from -100 to 100, found " + std::to_string(value));
  };
  const auto scale = number("logit_scale");
  if (!scale) return {};
  return Logits{*scale, number("logit_bias")};
}

void bind_dual_clip(const Config& config, const Tensors& tensors, FolderModel& model) {
  const Config vision = config.in("vision_config"), text = config.in("text_config");
  const size_t dim = config.integer("projection_dim", 1, kMostWidth, 512);
  model.kind = Kind::dual;
  const Tensors sees = tensors.of(Part::tower), reads = tensors.of(Part::text);
  model.vision = bind_clip_vision(vision, sees.in("vision_model"));
  model.text = bind_clip_text(text, reads.in("text_model"));
  model.vision->head.embedding = {
      {.map = sees.linear("visual_projection", dim, model.vision->vit.width(), false)}};
  model.text->head.embedding = {
      {.map = reads.linear("text_projection", dim, model.text->tower.width(), false)}};
  model.logits = bind_logits(config, tensors);
}

template <VisionPart (*bind_vision)(const Config&, const Tensors&)>
void bind_dual_siglip(const Config& config, const Tensors& tensors, FolderModel& model) {
  model.kind = Kind::dual;
  model.vision =
      bind_vision(config.in("vision_config"), tensors.of(Part::tower).in("vision_model"));
  model.text = bind_siglip_text(config.in("text_config"), tensors.of(Part::text).in("text_model"));
  model.logits = bind_logits(config, tensors);
}

/// One tower of CLIP, perhaps with its projection (CLIPVisionModelWithProjection).
void bind_clip_vision_alone(const Config& config, const Tensors& root, FolderModel& model) {
  const Tensors tensors = root.of(Part::tower);
  model.vision = bind_clip_vision(config, tensors);
  if (!tensors.has("visual_projection.weight")) return;
  const size_t dim = config.integer("projection_dim", 1, kMostWidth, 512);
  model.vision->head.embedding = {
      {.map = tensors.linear("visual_projection", dim, model.vision->vit.width(), false)}};
}

void bind_clip_text_alone(const Config& config, const Tensors& root, FolderModel& model) {
  const Tensors tensors = root.of(Part::text);
  model.text = bind_clip_text(config, tensors);
  if (!tensors.has("text_projection.weight")) return;
  const size_t dim = config.integer("projection_dim", 1, kMostWidth, 512);
  model.text->head.embedding = {
      {.map = tensors.linear("text_projection", dim, model.text->tower.width(), false)}};
}

/// open-vljepa: x_encoder, predictor and y_encoder of one folder.
void bind_vljepa(const Config& config, const Tensors& tensors, FolderModel& model) {
  for (const auto& [part, type] :
       {std::pair{"x_encoder", "vjepa2"}, {"predictor", "llama"}, {"y_encoder", "gemma3_text"}}) {
    if (config.in(part).string("model_type") != type)
      config.in(part).fail("model_type", "\"" + std::string(type) + "\"");
  }
  model.kind = Kind::vljepa;
  model.logits = vljepa_logits(config);
  model.vision = bind_vjepa2(config.in("x_encoder"), tensors.of(Part::tower).in("x_encoder"));
  model.predictor =
      bind_llama_predictor(config.in("predictor"), tensors.of(Part::predictor).in("predictor"),
                           model.vision->vit.width());
  const Config text = config.in("y_encoder");
  const Tensors y = tensors.of(Part::text).in("y_encoder");
  model.text = bind_gemma3(text, y.in("model"));
  const size_t dim = text.integer("proj_dim", 1, kMostWidth);
  if (dim != model.predictor->dim()) {
    text.fail("proj_dim", std::to_string(model.predictor->dim()) + " as in predictor.proj_dim");
  }
  model.text->head.embedding = {
      {.map = y.linear("projector", dim, model.text->tower.width(), true)}};
}

template <VisionPart (*bind)(const Config&, const Tensors&)>
void vision(const Config& config, const Tensors& tensors, FolderModel& model) {
  model.vision = bind(config, tensors.of(Part::tower));
}
template <TextPart (*bind)(const Config&, const Tensors&)>
void text(const Config& config, const Tensors& tensors, FolderModel& model) {
  model.text = bind(config, tensors.of(Part::text));
}

/// To add a family: write bind_<family> (towers.h) and name it here.
struct Family {
  std::string_view model_type;
  void (*bind)(const Config& config, const Tensors& tensors, FolderModel& model);
};
constexpr std::array kFamilies = {
    Family{"bert", text<bind_bert_tower>},
    Family{"clip", bind_dual_clip},
    Family{"clip_text_model", bind_clip_text_alone},
    Family{"clip_vision_model", bind_clip_vision_alone},
    Family{"deit", vision<bind_vit>},
    Family{"dinov2", vision<bind_dinov2>},
    Family{"dinov2_with_registers", vision<bind_dinov2>},
    Family{"dinov3_vit", vision<bind_dinov3>},
    Family{"gemma3_text", text<bind_gemma3>},
    Family{"ijepa", vision<bind_vit>},
    Family{"llama", text<bind_llama>},
    Family{"modernbert", text<bind_modern_bert>},
    Family{"qwen3", text<bind_llama>},
    Family{"roberta", text<bind_bert_tower>},
    Family{"siglip", bind_dual_siglip<bind_siglip_vision>},
    Family{"siglip2", bind_dual_siglip<bind_siglip2_vision>},
    Family{"siglip2_text_model", text<bind_siglip_text>},
    Family{"siglip2_vision_model", vision<bind_siglip2_vision>},
    Family{"siglip_text_model", text<bind_siglip_text>},
    Family{"siglip_vision_model", vision<bind_siglip_vision>},
    Family{"vit", vision<bind_vit>},
    Family{"vjepa2", vision<bind_vjepa2>},
    Family{"vjepa2_1", vision<bind_vjepa21>},
    Family{"xlm-roberta", text<bind_bert_tower>},
};

void bind(const Config& config, const Tensors& tensors, FolderModel& model) {
  if (!config.has("model_type") && config.has("x_encoder"))
    return bind_vljepa(config, tensors, model);
  if (!config.has("model_type") && config.has("architecture")) {
    model.vision = bind_timm(config, tensors.of(Part::tower));
    return;
  }
  const std::string type = config.string("model_type", "");
  std::string known;
  for (const auto& [name, bind_family] : kFamilies) {
    if (name == type) return bind_family(config, tensors, model);
    known += std::string(name) + ", ";
  }
  config.fail("model_type", "one of " + known + "timm's architecture, or open-vljepa's x_encoder, "
                                            "predictor, y_encoder");
}

}  // namespace

FolderModel open_folder(const std::filesystem::path& folder, quant::Isa isa, quant::Type blocks) {
  return open_source(Source::open(folder), {.isa = isa, .blocks = blocks});
}

FolderModel open_source(const Source& source, const Opening& opening) {
  if (source.has("sterna.json")) return open_composed(source, opening);
  return open_plain(source, opening);
}

FolderModel open_plain(const Source& source, const Opening& opening) {
  if (source.has("modules.json")) return open_sentence(source, opening);
  return open_tower(source, opening);
}

FolderModel open_tower(const Source& source, const Opening& opening) {
  const Config config = source.config("config.json");
  FolderModel model;
  model.files.push_back(source.weights(opening));
  try {
    bind(config, Tensors(*model.files[0], opening.isa), model);
  } catch (const Error& e) {
    // Modules know their shapes, not the file these came from.
    const std::string what = e.what();
    if (what.starts_with(source.name())) throw;
    throw Error(config.file() + ": " + what);
  }
  return model;
}

}  // namespace sterna::models
