#include "blocks.h"

#include <sterna/quant/error.h>

#include <array>
#include <cmath>
#include <utility>

namespace sterna::models {
namespace {

struct ActivationName {
  std::string_view name;
  nn::Activation activation;
};
constexpr std::array kActivations = {
    ActivationName{"gelu", nn::Activation::gelu},
    ActivationName{"gelu_pytorch_tanh", nn::Activation::gelu_tanh},
    ActivationName{"gelu_new", nn::Activation::gelu_tanh},
    ActivationName{"quick_gelu", nn::Activation::quick_gelu},
    ActivationName{"silu", nn::Activation::silu},
    ActivationName{"swish", nn::Activation::silu},
    ActivationName{"relu", nn::Activation::relu},
};

nn::Residual bind_residual(const Tensors& scope, std::string_view before, std::string_view inside,
                           std::string_view after, std::string_view scale, const BlockSizes& s) {
  return {.before = bind_norm(scope, before, s.width, s),
          .inside = bind_norm(scope, inside, s.width, s),
          .after = bind_norm(scope, after, s.width, s),
          .scale = scale.empty() ? std::span<const float>{} : scope.floats(scale, {s.width})};
}

}  // namespace

BlockSizes read_sizes(const Config& config, const SizeDefaults& absent) {
  BlockSizes s;
  s.width = config.integer("hidden_size", 1, kMostWidth, absent.width);
  s.heads = config.integer("num_attention_heads", 1, s.width, absent.heads);
  s.kv_heads = s.heads;
  if (s.width % s.heads != 0) {
    config.fail("num_attention_heads", "a divisor of hidden_size " + std::to_string(s.width));
  }
  s.head = s.width / s.heads;
  if (s.head > kMostHead) {
    config.fail("num_attention_heads", "heads of at most " + std::to_string(kMostHead) +
                                           " columns of hidden_size " + std::to_string(s.width));
  }
  s.hidden = config.integer("intermediate_size", 1, kMostWidth * 4, absent.hidden);
  s.scale = 1.0F / std::sqrt(static_cast<float>(s.head));
  return s;
}

size_t read_layers(const Config& config, const SizeDefaults& absent) {
  return config.integer("num_hidden_layers", 0, kMostLayers, absent.layers);
}

size_t read_patch(const Config& config, const char* channels, size_t absent) {
  config.integer(channels, 3, 3, 3);
  return config.integer("patch_size", 1, kMostPatch, absent);
}

nn::Activation read_activation(const Config& config, std::string_view key,
                               const std::string& absent) {
  const std::string text = config.string(key, absent);
  std::string known;
  for (const auto& [name, activation] : kActivations) {
    if (name == text) return activation;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  config.fail(key, "one of " + known);
}

nn::Norm bind_norm(const Tensors& scope, std::string_view name, size_t width,
                   const BlockSizes& sizes) {
  if (name.empty()) return {};
  if (sizes.norm == nn::Norm::Kind::layer)
    return scope.layer_norm(name, width, sizes.eps, sizes.norm_bias);
  return scope.rms_norm(name, width, sizes.eps, sizes.gain_offset);
}

nn::TransformerBlock bind_block(const Tensors& plain, const BlockNames& n, const BlockSizes& s) {
  const Tensors scope = plain.packed();
  const size_t d = s.width, wide = s.heads * s.head, narrow = s.kv_heads * s.head, f = s.hidden;
  nn::TransformerBlock block;
  nn::SelfAttention& a = block.attention;
  a.residual = bind_residual(scope, n.attn_before, n.attn_inside, n.attn_after, n.attn_scale, s);
  if (n.qkv.empty()) {
    a.q = scope.linear(n.q, wide, d, s.q_bias);
    a.k = scope.linear(n.k, narrow, d, s.k_bias);
    a.v = scope.linear(n.v, narrow, d, s.v_bias);
  } else {
    const std::string weight = std::string(n.qkv) + ".weight";
    const std::string bias = s.q_bias ? std::string(n.qkv) + ".bias" : "";
    const size_t all = wide + 2 * narrow;
    a.q = scope.part(weight, bias, all, 0, wide, d);
    a.k = scope.part(weight, bias, all, wide, narrow, d);
    a.v = scope.part(weight, bias, all, wide + narrow, narrow, d);
  }
  a.out = scope.linear(n.out, d, wide, s.out_bias);
  a.q_norm = bind_norm(scope, n.q_norm, s.head, s);
  a.k_norm = bind_norm(scope, n.k_norm, s.head, s);
  // Blocks whose maps are rounded gain nothing from attention in f32, where bf16 is cheap.
  const bool rounded = a.q.linear().type() != quant::Type::f32;
  a.attention = {s.heads, s.kv_heads, s.scale, s.reach,
                 rounded && quant::multiplies_bf16(scope.isa()) && s.scale > 0};
  a.rotation = s.rotation;

  nn::Mlp& m = block.mlp;
  m.residual = bind_residual(scope, n.mlp_before, n.mlp_inside, n.mlp_after, n.mlp_scale, s);
  const std::string fused(n.gate_and_up);
  if (!fused.empty() && (n.up.empty() || scope.has(fused + ".weight"))) {
    const std::string bias = s.mlp_bias ? fused + ".bias" : "";
    m.gate = scope.part(fused + ".weight", bias, 2 * f, 0, f, d);
    m.up = scope.part(fused + ".weight", bias, 2 * f, f, f, d);
  } else {
    if (!n.gate.empty()) m.gate = scope.linear(n.gate, f, d, s.mlp_bias);
    m.up = scope.linear(n.up, f, d, s.mlp_bias);
  }
  m.down = scope.linear(n.down, d, f, s.mlp_bias);
  m.activation = s.activation;
  return block;
}

nn::Transformer bind_blocks(const Tensors& scope, const BlockNames& names, const BlockSizes& sizes,
                            size_t layers) {
  std::vector<nn::TransformerBlock> blocks;
  for (size_t i = 0; i < layers; ++i) {
    blocks.push_back(bind_block(scope.in(std::to_string(i)), names, sizes));
  }
  return {std::move(blocks), sizes.width, scope.isa()};
}

std::vector<float> read_rope_of(const Config& rope, size_t head, double theta) {
  const std::string type = rope.string("rope_type", rope.string("type", "default"));
  if (head % 2 != 0) rope.fail("rope_type", "heads of an even width for rotary positions");
  if (rope.number("partial_rotary_factor", 0, 1, 1.0) != 1.0)
    rope.fail("partial_rotary_factor", "1");
  theta = rope.number("rope_theta", 1, 1e12, theta);
  nn::RopeScaling scaling;
  if (type == "llama3") {
    scaling.factor = rope.number("factor", 1, 1e6);
    scaling.low_freq_factor = rope.number("low_freq_factor", 1e-3, 1e6);
    scaling.high_freq_factor = rope.number("high_freq_factor", 1e-3, 1e6);
    scaling.original_positions = rope.number("original_max_position_embeddings", 1, 1e9);
    if (scaling.high_freq_factor <= scaling.low_freq_factor)
      rope.fail("high_freq_factor", "more than low_freq_factor");
  } else if (type != "default" && type != "linear") {
    rope.fail("rope_type", "default, linear or llama3");
  }
  std::vector<float> frequencies = nn::rope_frequencies(head, theta, scaling);
  if (type == "linear") {
    const auto factor = static_cast<float>(rope.number("factor", 1, 1e6));
    for (float& f : frequencies) f /= factor;
  }
  return frequencies;
}

std::vector<float> read_rope(const Config& config, size_t head, double theta) {
  if (config.has("rope_parameters")) return read_rope_of(config.in("rope_parameters"), head, theta);
  return read_rope_of(config.in("rope_scaling"), head, config.number("rope_theta", 1, 1e12, theta));
}

}  // namespace sterna::models
