#include <sterna/quant/error.h>

#include <utility>

#include "blocks.h"
#include "towers.h"

namespace sterna::models {
namespace {

// First the names in files, which are those of transformers before 5.0, then those in memory since.
constexpr BlockNames kVit = {.attn_before = "layernorm_before",
                             .q = "attention.attention.query|attention.q_proj",
                             .k = "attention.attention.key|attention.k_proj",
                             .v = "attention.attention.value|attention.v_proj",
                             .out = "attention.output.dense|attention.o_proj",
                             .mlp_before = "layernorm_after",
                             .up = "intermediate.dense|mlp.fc1",
                             .down = "output.dense|mlp.fc2"};

constexpr BlockNames kDinov2 = {.attn_before = "norm1",
                                .attn_scale = "layer_scale1.lambda1",
                                .q = "attention.attention.query|attention.q_proj",
                                .k = "attention.attention.key|attention.k_proj",
                                .v = "attention.attention.value|attention.v_proj",
                                .out = "attention.output.dense|attention.o_proj",
                                .mlp_before = "norm2",
                                .mlp_scale = "layer_scale2.lambda1",
                                .up = "mlp.fc1",
                                .down = "mlp.fc2"};

/// Tokens that stand one behind the other, in memory of their own.
std::span<const float> join(const Tensors& tensors, std::span<const float> first,
                            std::span<const float> second) {
  std::vector<float> both(first.begin(), first.end());
  both.insert(both.end(), second.begin(), second.end());
  return tensors.keep(std::move(both));
}

}  // namespace

VisionPart bind_vit(const Config& config, const Tensors& root) {
  const Tensors tensors =
      root.either("embeddings.patch_embeddings.projection.weight", {"vit", "ijepa", "deit"});
  BlockSizes s = read_sizes(config);
  const size_t layers = read_layers(config), d = s.width,
               p = read_patch(config, "num_channels", 16);
  s.eps = config.number("layer_norm_eps", 0, 1, 1e-12);
  set_qkv_bias(s, config.boolean("qkv_bias", true));
  s.activation = read_activation(config, "hidden_act", "gelu");

  // I-JEPA has no CLS; DeiT has a distillation token beside it.
  const std::string type = config.string("model_type");
  const bool cls = type != "ijepa";
  vision::VitWeights w;
  w.patch = tensors.linear("embeddings.patch_embeddings.projection", d, 3 * p * p, true);
  w.patch_size = p;
  if (cls) w.prefix = tensors.floats("embeddings.cls_token", {1, 1, d});
  if (type == "deit") {
    w.prefix = join(tensors, w.prefix, tensors.floats("embeddings.distillation_token", {1, 1, d}));
  }
  w.position = tensors.rows("embeddings.position_embeddings", d);
  w.placed = w.prefix.size() / d;
  w.blocks = bind_blocks(tensors.in("encoder.layer|layers"), kVit, s, layers);
  w.final_norm = tensors.layer_norm("layernorm", d, s.eps);

  VisionPart part{.vit = vision::Vit(std::move(w), tensors.isa())};
  if (cls && tensors.has("pooler.dense.weight")) {
    if (config.string("pooler_act", "tanh") != "tanh") config.fail("pooler_act", "\"tanh\"");
    const size_t out = config.integer("pooler_output_size", 1, kMostWidth, d);
    part.pool = VisionPart::Pool::first;
    part.head.pooled = {{.map = tensors.linear("pooler.dense", out, d, true), .tanh = true}};
  }
  return part;
}

VisionPart bind_dinov2(const Config& config, const Tensors& root) {
  const Tensors tensors = root.either("embeddings.patch_embeddings.projection.weight",
                                      {"dinov2", "dinov2_with_registers"});
  BlockSizes s = read_sizes(config);
  const bool registers = config.string("model_type") == "dinov2_with_registers";
  const size_t layers = read_layers(config), d = s.width;
  const size_t p = read_patch(config, "num_channels", registers ? 16 : 14);
  s.eps = config.number("layer_norm_eps", 0, 1, 1e-6);
  set_qkv_bias(s, config.boolean("qkv_bias", true));
  s.hidden =
      static_cast<size_t>(static_cast<double>(d) * config.number("mlp_ratio", 0.01, 64, 4.0));
  BlockNames names = kDinov2;
  if (config.boolean("use_swiglu_ffn", false)) {
    // SwiGLU of two thirds of the width, rounded up to a multiple of 8; its gate is a SiLU always.
    s.hidden = (s.hidden * 2 / 3 + 7) / 8 * 8;
    s.activation = nn::Activation::silu;
    names.gate_and_up = "mlp.weights_in";
    names.gate = "mlp.gate_proj";
    names.up = "mlp.up_proj";
    names.down = "mlp.weights_out|mlp.down_proj";
  } else {
    s.activation = read_activation(config, "hidden_act", "gelu");
  }

  vision::VitWeights w;
  w.patch = tensors.linear("embeddings.patch_embeddings.projection", d, 3 * p * p, true);
  w.patch_size = p;
  w.prefix = tensors.floats("embeddings.cls_token", {1, 1, d});
  const size_t extra = registers ? config.integer("num_register_tokens", 0, 1024, 4) : 0;
  if (extra != 0) {
    w.prefix = join(tensors, w.prefix, tensors.floats("embeddings.register_tokens", {1, extra, d}));
  }
  w.position = tensors.rows("embeddings.position_embeddings", d);
  w.placed = 1;  // registers have no position
  // The two differ here in transformers, as in what they were copied from.
  if (registers) w.filter = vision::PositionFilter::cubic_antialias;
  w.blocks = bind_blocks(tensors.in("encoder.layer|layers"), names, s, layers);
  w.final_norm = tensors.layer_norm("layernorm", d, s.eps);
  return {.vit = vision::Vit(std::move(w), tensors.isa()), .pool = VisionPart::Pool::first};
}

VisionPart bind_dinov3(const Config& config, const Tensors& root) {
  const Tensors tensors = root.either("embeddings.patch_embeddings.weight", {"dinov3_vit"});
  const SizeDefaults absent{384, 12, 6, 1536};
  BlockSizes s = read_sizes(config, absent);
  const size_t layers = read_layers(config, absent), d = s.width;
  const size_t p = read_patch(config, "num_channels", 16);
  if (s.head % 4 != 0) {
    config.fail("num_attention_heads",
                "heads of a multiple of 4 columns of hidden_size " + std::to_string(d));
  }
  s.eps = config.number("layer_norm_eps", 0, 1, 1e-5);
  s.q_bias = config.boolean("query_bias", true);
  s.k_bias = config.boolean("key_bias", false);
  s.v_bias = config.boolean("value_bias", true);
  s.out_bias = config.boolean("proj_bias", true);
  s.mlp_bias = config.boolean("mlp_bias", true);
  s.activation = read_activation(config, "hidden_act", "gelu");
  s.rotation = 0;
  BlockNames names = kDinov2;
  names.q = "attention.q_proj";
  names.k = "attention.k_proj";
  names.v = "attention.v_proj";
  names.out = "attention.o_proj";
  names.up = "mlp.up_proj";
  names.down = "mlp.down_proj";
  if (config.boolean("use_gated_mlp", false)) names.gate = "mlp.gate_proj";

  vision::VitWeights w;
  w.patch = tensors.linear("embeddings.patch_embeddings", d, 3 * p * p, true);
  w.patch_size = p;
  w.prefix = tensors.floats("embeddings.cls_token", {1, 1, d});
  const size_t registers = config.integer("num_register_tokens", 0, 1024, 0);
  if (registers != 0) {
    w.prefix =
        join(tensors, w.prefix, tensors.floats("embeddings.register_tokens", {1, registers, d}));
  }
  w.plane = vision::PlaneRope{config.number("rope_theta", 1, 1e12, 100.0), s.head};
  w.blocks = bind_blocks(tensors.in("layer|model.layer|layers"), names, s, layers);
  w.final_norm = tensors.layer_norm("norm", d, s.eps);
  return {.vit = vision::Vit(std::move(w), tensors.isa()), .pool = VisionPart::Pool::first};
}

VisionPart bind_clip_vision(const Config& config, const Tensors& root) {
  const Tensors tensors = root.either("embeddings.class_embedding", {"vision_model"});
  BlockSizes s = read_sizes(config);
  const size_t layers = read_layers(config), d = s.width,
               p = read_patch(config, "num_channels", 32);
  s.eps = config.number("layer_norm_eps", 0, 1, 1e-5);
  s.activation = read_activation(config, "hidden_act", "quick_gelu");

  vision::VitWeights w;
  w.patch = tensors.linear("embeddings.patch_embedding", d, 3 * p * p, false);
  w.patch_size = p;
  w.prefix = tensors.floats("embeddings.class_embedding", {d});
  w.position = tensors.rows("embeddings.position_embedding.weight", d);
  w.placed = 1;
  w.embedding_norm = tensors.layer_norm("pre_layrnorm", d, s.eps);  // its name is misspelt
  w.blocks = bind_blocks(tensors.in("encoder.layers"), kClip, s, layers);
  VisionPart part{.vit = vision::Vit(std::move(w), tensors.isa()), .pool = VisionPart::Pool::first};
  part.head.pooled = {{.norm = tensors.layer_norm("post_layernorm", d, s.eps)}};
  return part;
}

}  // namespace sterna::models
