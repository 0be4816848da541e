#include <cmath>
#include <string>
#include <utility>

#include "blocks.h"
#include "towers.h"

namespace sterna::models {
namespace {

constexpr BlockNames kVjepa2 = {.attn_before = "norm1",
                                .q = "attention.query",
                                .k = "attention.key",
                                .v = "attention.value",
                                .out = "attention.proj",
                                .mlp_before = "norm2",
                                .up = "mlp.fc1",
                                .down = "mlp.fc2"};

/// What the tower's blocks and those of its predictor have in common.
void read_common(const Config& config, const char* ratio, BlockSizes& s) {
  s.hidden =
      static_cast<size_t>(static_cast<double>(s.width) * config.number(ratio, 0.01, 64, 4.0));
  s.eps = config.number("layer_norm_eps", 0, 1, 1e-6);
  set_qkv_bias(s, config.boolean("qkv_bias", true));
  s.activation = read_activation(config, "hidden_act", "gelu");
  s.rotation = 0;
}

BlockSizes read_head(const Config& config) {
  BlockSizes s;
  s.width = config.integer("pred_hidden_size", 1, kMostWidth, 384);
  s.heads = s.kv_heads = config.integer("pred_num_attention_heads", 1, s.width, 12);
  if (s.width % s.heads != 0 || s.width / s.heads > kMostHead) {
    config.fail("pred_num_attention_heads", "a divisor of pred_hidden_size " +
                                                std::to_string(s.width) + ", heads of at most " +
                                                std::to_string(kMostHead) + " columns");
  }
  s.head = s.width / s.heads;
  s.scale = 1.0F / std::sqrt(static_cast<float>(s.head));
  read_common(config, "pred_mlp_ratio", s);
  return s;
}

size_t read_head_layers(const Config& config) {
  return config.integer("pred_num_hidden_layers", 0, kMostLayers, 12);
}

/// The head that predicts patches from others; many folders leave it out.
std::optional<vision::PatchPredictor> bind_head(const Config& config, const Tensors& tensors,
                                                size_t d, size_t grid) {
  if (!tensors.has("proj.weight")) return {};
  const BlockSizes s = read_head(config);
  const size_t masks = config.integer("pred_num_mask_tokens", 1, 1024, 10);
  const size_t layers = read_head_layers(config), p = s.width;
  const auto mask = tensors.floats("embeddings.mask_tokens", {masks, 1, 1, p});
  return vision::PatchPredictor(
      {.in = tensors.linear("embeddings.predictor_embeddings", p, d, true),
       .mask = mask.subspan(1 % masks * p, p),  // transformers' mask_index
       .rope = {grid, s.head},
       .blocks = bind_blocks(tensors.in("layer"), kVjepa2, s, layers),
       .norm = tensors.layer_norm("layernorm", p, s.eps),
       .out = tensors.linear("proj", d, p, true)},
      tensors.isa());
}

/// The same of V-JEPA 2.1. Where it was distilled (`n_output_distillation` 1) it looks at the
/// tower's last layer, else at four, `levels`.
std::optional<vision::PatchPredictor> bind_head21(const Config& config, const Tensors& tensors,
                                                  size_t d, size_t grid, size_t levels) {
  const bool several = tensors.has("predictor_embed.0.weight");
  if (!several && !tensors.has("predictor_embed.weight")) return {};
  const BlockSizes s = read_head(config);
  const size_t masks = config.integer("pred_num_mask_tokens", 1, 1024, 8), p = s.width;
  const size_t out =
      config.integer("pred_out_size", 1, kMostWidth, several ? levels * d : size_t{1664});
  const auto modality = [&](const char* name) {
    return tensors.has(name) ? tensors.floats(name, {1, 1, p}) : std::span<const float>{};
  };
  vision::PatchPredictorWeights w{
      .in = several ? tensors.linear("predictor_embed.0", d, levels * d, true)
                    : tensors.linear("predictor_embed", p, d, true),
      .mask = tensors.floats("mask_tokens." + std::to_string(1 % masks), {1, 1, p}),
      .of_picture = modality("img_mod_embed"),
      .of_clip = modality("video_mod_embed"),
      .rope = {.grid = grid, .head = s.head, .paired = true},
      .blocks = bind_blocks(tensors.in("predictor_blocks"), kTimm, s, read_head_layers(config)),
      .norm = tensors.layer_norm("predictor_norm", p, s.eps),
      .out = tensors.linear("predictor_proj", out, p, true)};
  if (several) w.narrow = tensors.linear("predictor_embed.2", p, d, true);
  return vision::PatchPredictor(std::move(w), tensors.isa());
}

/// `hierarchical_layers`: how many blocks stand before each of four norms.
std::vector<size_t> read_levels(const Config& config, size_t layers) {
  switch (layers) {
    case 12:
      return {3, 6, 9, 12};
    case 24:
      return {6, 12, 18, 24};
    case 40:
      return {10, 20, 30, 40};
    case 48:
      return {12, 24, 38, 48};
    default:
      config.fail("num_hidden_layers",
                  "12, 24, 40 or 48, of which V-JEPA 2.1's predictor looks at four");
  }
}

/// A patch map to whose outputs the embedding of its modality is added.
quant::Linear bind_patches(const Tensors& tensors, const std::string& name, const char* modality,
                           size_t d, size_t inputs) {
  if (!tensors.has(modality)) return tensors.linear(name + ".proj", d, inputs, true);
  const auto own = tensors.floats(name + ".proj.bias", {d});
  const auto added = tensors.floats(modality, {1, 1, d});
  std::vector<float> bias(own.begin(), own.end());
  for (size_t i = 0; i < d; ++i) bias[i] += added[i];
  const quant::Linear map = tensors.linear(name + ".proj", d, inputs, false);
  return {map.weight(), tensors.keep(std::move(bias)), tensors.isa()};
}

/// The grid that V-JEPA 2.1's positions are stretched to (`pretrained_grid_size`): that of pictures
/// of 256 pixels in patches of 16, or of 252 in patches of 14.
size_t stretched_grid(const Config& config, size_t patch) {
  if (patch != 14 && patch != 16) config.fail("patch_size", "14 or 16");
  return patch == 14 ? 18 : 16;
}

}  // namespace

VisionPart bind_vjepa2(const Config& config, const Tensors& root) {
  const Tensors whole = root.either("encoder.layernorm.weight", {"model", "vjepa2"});
  const Tensors tensors = whole.in("encoder");
  const SizeDefaults absent{1024, 24, 16, 4096};
  BlockSizes s = read_sizes(config, absent);
  const size_t layers = read_layers(config, absent), d = s.width;
  const size_t p = read_patch(config, "in_chans", 16);
  const size_t tubelet = config.integer("tubelet_size", 1, kMostFrames, 2);
  const size_t crop = config.integer("crop_size", p, kMostPixels, 256);
  read_common(config, "mlp_ratio", s);

  vision::VitWeights w;
  w.patch = tensors.linear("embeddings.patch_embeddings.proj", d, 3 * tubelet * p * p, true);
  w.patch_size = p;
  w.tubelet = tubelet;
  w.rope = vision::VideoRope{crop / p, s.head};
  w.blocks = bind_blocks(tensors.in("layer"), kVjepa2, s, layers);
  w.final_norm = tensors.layer_norm("layernorm", d, s.eps);
  return {.vit = vision::Vit(std::move(w), tensors.isa()),
          .input = VisionPart::Input::clips,
          .frames = config.integer("frames_per_clip", 1, kMostFrames, 64),
          .predictor = bind_head(config, whole.in("predictor").of(Part::predictor), d, crop / p)};
}

VisionPart bind_vjepa21(const Config& config, const Tensors& root) {
  const Tensors tensors = root.either(
      "norms_block.0.weight", {"encoder.module.backbone", "encoder.backbone", "encoder.module",
                               "encoder", "module.backbone", "backbone", "module"});
  const SizeDefaults absent{1024, 24, 16, 4096};
  BlockSizes s = read_sizes(config, absent);
  const size_t layers = read_layers(config, absent), d = s.width;
  const size_t p = read_patch(config, "in_chans", 16), stretched = stretched_grid(config, p);
  const size_t tubelet = config.integer("tubelet_size", 1, kMostFrames, 2);
  const size_t crop = config.integer("crop_size", p, kMostPixels, 384);
  read_common(config, "mlp_ratio", s);

  vision::VitWeights w;
  w.patch = bind_patches(tensors, "patch_embed", "video_mod_embed", d, 3 * tubelet * p * p);
  w.picture_patch = bind_patches(tensors, "patch_embed_img", "img_mod_embed", d, 3 * p * p);
  w.patch_size = p;
  w.tubelet = tubelet;
  w.rope = vision::VideoRope{crop / p, s.head, true, stretched};
  w.blocks = bind_blocks(tensors.in("blocks"), kTimm, s, layers);
  size_t last = 0;  // the norms before it are of layers that the teacher was shown
  while (tensors.has("norms_block." + std::to_string(last + 1) + ".weight")) ++last;
  w.final_norm = tensors.layer_norm("norms_block." + std::to_string(last), d, s.eps);
  const Tensors head = root.either(
      "predictor_norm.weight", {"predictor.module.backbone", "predictor.backbone",
                                "predictor.module", "predictor"});
  std::vector<VisionPart::Level> levels;
  if (head.has("predictor_embed.0.weight")) {
    for (const size_t depth : read_levels(config, layers)) {
      const std::string norm = "norms_block." + std::to_string(levels.size());
      levels.push_back({depth, tensors.layer_norm(norm, d, s.eps)});
    }
  }
  auto predictor = bind_head21(config, head.of(Part::predictor), d, crop / p, levels.size());
  return {.vit = vision::Vit(std::move(w), tensors.isa()),
          .input = VisionPart::Input::clips,
          .frames = config.integer("frames_per_clip", 1, kMostFrames, 64),
          .predictor = std::move(predictor),
          .levels = std::move(levels)};
}

}  // namespace sterna::models
