#include <span>
#include <utility>
#include <vector>

#include "blocks.h"
#include "towers.h"

namespace sterna::models {
namespace {

/// SigLIP 2's NaFlex towers map patches whose columns are row, column, channel; a Vit has channel,
/// row, column, as a convolution.
quant::Linear planar_patch(const Tensors& tensors, size_t d, size_t p) {
  const auto from = tensors.floats("embeddings.patch_embedding.weight", {d, 3 * p * p});
  std::vector<float> to(from.size());
  for (size_t i = 0; i < d; ++i) {
    for (size_t c = 0; c < 3; ++c) {
      for (size_t at = 0; at < p * p; ++at)
        to[(i * 3 + c) * p * p + at] = from[(i * p * p + at) * 3 + c];
    }
  }
  const auto kept = tensors.keep(std::move(to));
  return {{quant::Type::f32, d, 3 * p * p, std::as_bytes(kept), {}, 0},
          tensors.floats("embeddings.patch_embedding.bias", {d}),
          tensors.isa()};
}

VisionPart bind(const Config& config, const Tensors& root, bool native) {
  const Tensors tensors = root.either("embeddings.patch_embedding.weight", {"vision_model"});
  BlockSizes s = read_sizes(config);
  const size_t layers = read_layers(config), d = s.width,
               p = read_patch(config, "num_channels", 16);
  s.eps = config.number("layer_norm_eps", 0, 1, 1e-6);
  s.activation = read_activation(config, "hidden_act", "gelu_pytorch_tanh");

  vision::VitWeights w;
  w.patch_size = p;
  w.position = tensors.rows("embeddings.position_embedding.weight", d);
  if (native) {
    w.patch = planar_patch(tensors, d, p);
    w.filter = vision::PositionFilter::linear_antialias;
  } else {
    w.patch = tensors.linear("embeddings.patch_embedding", d, 3 * p * p, true);
  }
  w.blocks = bind_blocks(tensors.in("encoder.layers"), kClip, s, layers);
  w.final_norm = tensors.layer_norm("post_layernorm", d, s.eps);
  VisionPart part{.vit = vision::Vit(std::move(w), tensors.isa()),
                  .input = native ? VisionPart::Input::patches : VisionPart::Input::pictures};
  if (!config.boolean("vision_use_head", true)) return part;

  const Tensors head = tensors.in("head");
  const auto third = [&](size_t i) {
    return head.part("attention.in_proj_weight", "attention.in_proj_bias", 3 * d, i * d, d, d);
  };
  part.pool = VisionPart::Pool::attention;
  part.attention = vision::AttentionPool{.probe = head.floats("probe", {1, 1, d}),
                                         .q = third(0),
                                         .k = third(1),
                                         .v = third(2),
                                         .out = head.linear("attention.out_proj", d, d, true),
                                         .heads = s.heads,
                                         .norm = head.layer_norm("layernorm", d, s.eps),
                                         .up = head.linear("mlp.fc1", s.hidden, d, true),
                                         .down = head.linear("mlp.fc2", d, s.hidden, true),
                                         .activation = s.activation};
  return part;
}

}  // namespace

VisionPart bind_siglip_vision(const Config& config, const Tensors& tensors) {
  return bind(config, tensors, false);
}

VisionPart bind_siglip2_vision(const Config& config, const Tensors& tensors) {
  return bind(config, tensors, true);
}

}  // namespace sterna::models
