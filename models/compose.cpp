#include <sterna/quant/error.h>

#include <cmath>
#include <iterator>
#include <utility>

#include "blocks.h"
#include "towers.h"

// sterna.json: a vision-language model of towers that come in folders of their own.
namespace sterna::models {
namespace {

/// Opens the folder that `key` names; what it holds belongs to `model` from then on.
FolderModel open_part(const Source& source, const Config& config, std::string_view key,
                      const Opening& opening, FolderModel& model) {
  FolderModel part = open_plain(source.inner(config, key), opening);
  std::move(part.files.begin(), part.files.end(), std::back_inserter(model.files));
  return part;
}

/// The folder that sterna.json names, or a fixed one of open-vljepa's.
Source part_source(const Source& source, std::string_view key, std::string_view otherwise) {
  if (!source.has("sterna.json")) return source.part(otherwise);
  return source.inner(source.config("sterna.json"), key);
}

}  // namespace

Source vision_source(const Source& source) { return part_source(source, "vision", ""); }
Source text_source(const Source& source) { return part_source(source, "text", "y_encoder"); }
Source predictor_source(const Source& source) {
  return part_source(source, "predictor", "predictor");
}

Logits vljepa_logits(const Config& config) {
  constexpr double kTemperature = 0.07;  // open-vljepa's configs/base.yaml
  return {static_cast<float>(-std::log(config.number("temperature", 1e-3, 1e3, kTemperature)))};
}

FolderModel open_composed(const Source& source, const Opening& opening) {
  const Config config = source.config("sterna.json");
  FolderModel model;
  model.kind = FolderModel::Kind::vljepa;
  model.logits = vljepa_logits(config);
  model.vision = open_part(source, config, "vision", opening, model).vision;
  if (!model.vision) config.fail("vision", "the folder of a vision tower");
  if (model.vision->input == VisionPart::Input::patches)
    config.fail("vision", "a tower of pictures or clips of one size");
  model.text = open_part(source, config, "text", opening, model).text;
  if (!model.text) config.fail("text", "the folder of a text tower");

  const Source at = source.inner(config, "predictor");
  const Config settings = at.config("config.json");
  if (settings.string("model_type") != "llama") settings.fail("model_type", "\"llama\"");
  model.files.push_back(at.weights(opening));
  const Tensors tensors = Tensors(*model.files.back(), opening.isa)
                              .of(Part::predictor)
                              .either("vis_proj.weight", {"predictor"});
  model.predictor = bind_llama_predictor(settings, tensors, model.vision->vit.width());

  // Texts are compared with predictions: where their tower's space is another one, a map that was
  // trained with the predictor lies beside it.
  const size_t dim = model.predictor->dim(), width = embedding_width(*model.text);
  if (tensors.has("text_proj.weight")) {
    model.text->head.embedding.push_back(
        {.map = tensors.linear("text_proj", dim, width, tensors.has("text_proj.bias"))});
  } else if (width != dim) {
    settings.fail("proj_dim", std::to_string(width) +
                                  ", the width of the text tower's embeddings, or a tensor "
                                  "text_proj.weight that maps them");
  }
  return model;
}

}  // namespace sterna::models
