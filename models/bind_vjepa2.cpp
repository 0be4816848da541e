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

/// The head that predicts patches from others; many folders leave it out.
std::optional<vision::PatchPredictor> bind_head(const Config& config, const Tensors& tensors,
                                                size_t d, size_t grid) {
  if (!tensors.has("proj.weight")) return {};
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
  const size_t layers = config.integer("pred_num_hidden_layers", 0, kMostLayers, 12);
  const size_t masks = config.integer("pred_num_mask_tokens", 1, 1024, 10);
  const size_t p = s.width;
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

}  // namespace sterna::models
