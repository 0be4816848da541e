#include <sterna/quant/error.h>

#include <cmath>
#include <utility>

#include "blocks.h"
#include "towers.h"

namespace sterna::models {
namespace {

constexpr BlockNames kGemma3 = {.attn_before = "input_layernorm",
                                .attn_inside = "post_attention_layernorm",
                                .q = "self_attn.q_proj",
                                .k = "self_attn.k_proj",
                                .v = "self_attn.v_proj",
                                .out = "self_attn.o_proj",
                                .q_norm = "self_attn.q_norm",
                                .k_norm = "self_attn.k_norm",
                                .mlp_before = "pre_feedforward_layernorm",
                                .mlp_inside = "post_feedforward_layernorm",
                                .gate = "mlp.gate_proj",
                                .up = "mlp.up_proj",
                                .down = "mlp.down_proj"};

constexpr BlockNames kLlama = {.attn_before = "input_layernorm",
                               .q = "self_attn.q_proj",
                               .k = "self_attn.k_proj",
                               .v = "self_attn.v_proj",
                               .out = "self_attn.o_proj",
                               .mlp_before = "post_attention_layernorm",
                               .gate = "mlp.gate_proj",
                               .up = "mlp.up_proj",
                               .down = "mlp.down_proj"};

/// The sizes of a decoder family: heads of a width of their own, grouped keys, RMSNorm.
BlockSizes read_decoder(const Config& config, const SizeDefaults& absent, size_t head,
                        size_t kv_heads) {
  BlockSizes s;
  s.width = config.integer("hidden_size", 1, kMostWidth, absent.width);
  s.heads = config.integer("num_attention_heads", 1, kMostWidth, absent.heads);
  s.kv_heads = config.integer("num_key_value_heads", 1, s.heads, std::min(kv_heads, s.heads));
  if (s.heads % s.kv_heads != 0) {
    config.fail("num_key_value_heads",
                "a divisor of num_attention_heads " + std::to_string(s.heads));
  }
  s.head = config.integer("head_dim", 2, kMostHead, head == 0 ? s.width / s.heads : head);
  if (s.head < 2 || s.head > kMostHead) {
    config.fail("num_attention_heads", "heads of 2 to " + std::to_string(kMostHead) +
                                           " columns of hidden_size " + std::to_string(s.width));
  }
  s.hidden = config.integer("intermediate_size", 1, 4 * kMostWidth, absent.hidden);
  s.norm = nn::Norm::Kind::rms;
  s.eps = config.number("rms_norm_eps", 0, 1, 1e-6);
  s.out_bias = config.boolean("attention_bias", false);
  set_qkv_bias(s, s.out_bias);
  s.mlp_bias = config.boolean("mlp_bias", false);
  s.scale = 1.0F / std::sqrt(static_cast<float>(s.head));
  return s;
}

}  // namespace

std::vector<bool> read_sliding(const Config& config, size_t layers,
                               const std::function<bool(size_t)>& pattern) {
  std::vector<bool> sliding(layers);
  const std::vector<std::string> types = config.strings("layer_types");
  if (!types.empty() && types.size() != layers) {
    config.fail("layer_types", "a list of num_hidden_layers " + std::to_string(layers));
  }
  for (size_t i = 0; i < layers; ++i) {
    if (!types.empty() && types[i] != "sliding_attention" && types[i] != "full_attention") {
      config.fail("layer_types",
                  "sliding_attention or full_attention, found \"" + types[i] + "\" in it");
    }
    sliding[i] = types.empty() ? pattern(i) : types[i] == "sliding_attention";
  }
  return sliding;
}

TextPart bind_gemma3(const Config& config, const Tensors& root) {
  const Tensors tensors = root.either("embed_tokens.weight", {"model", "language_model"});
  const SizeDefaults absent{2304, 26, 8, 9216};
  BlockSizes s = read_decoder(config, absent, 256, 4);
  const size_t layers = read_layers(config, absent), d = s.width;
  for (const char* key : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    if (config.has(key)) config.fail(key, "null");
  }
  s.activation = read_activation(config, "hidden_activation", "gelu_pytorch_tanh");
  s.gain_offset = 1;
  s.scale =
      static_cast<float>(1 / std::sqrt(config.number("query_pre_attn_scalar", 1e-6, 1e6, 256.0)));

  // transformers halves the window of a bidirectional model when it reads the config: w / 2 tokens
  // either way (`Gemma3TextConfig.__post_init__`, `_bidirectional_window_overlay`).
  const bool both_ways = config.boolean("use_bidirectional_attention", false);
  const auto window = static_cast<uint32_t>(config.integer("sliding_window", 1, INT32_MAX, 4096));
  const nn::Reach far{nn::Reach::kAll, both_ways ? nn::Reach::kAll : 0};
  const nn::Reach near = both_ways ? nn::Reach{window / 2, window / 2} : nn::Reach{window - 1, 0};

  std::vector<std::vector<float>> rotations;
  const Config rope = config.in("rope_parameters");
  if (config.has("rope_parameters")) {
    rotations = {read_rope_of(rope.in("full_attention"), s.head, 1e6),
                 read_rope_of(rope.in("sliding_attention"), s.head, 1e4)};
  } else {
    const double local = config.number("rope_local_base_freq", 1, 1e12, 1e4);
    rotations = {read_rope(config, s.head, 1e6), nn::rope_frequencies(s.head, local)};
  }

  const size_t pattern =
      config.integer("_sliding_window_pattern", 1, kMostLayers,
                     config.integer("sliding_window_pattern", 1, kMostLayers, 6));
  const std::vector<bool> sliding =
      read_sliding(config, layers, [&](size_t i) { return (i + 1) % pattern != 0; });
  std::vector<nn::TransformerBlock> blocks;
  for (size_t i = 0; i < layers; ++i) {
    s.reach = sliding[i] ? near : far;
    s.rotation = sliding[i] ? 1 : 0;
    blocks.push_back(bind_block(tensors.in("layers").in(std::to_string(i)), kGemma3, s));
  }
  const size_t words = config.integer("vocab_size", 1, kMostWords, 262208);
  return {
      .tower = language::TextTower({.tokens = tensors.table("embed_tokens.weight", words, d),
                                    .token_scale = std::sqrt(static_cast<float>(d)),
                                    .positions = {},
                                    .padding = {},
                                    .type = {},
                                    .embedding_norm = {},
                                    .rotations = std::move(rotations),
                                    .blocks = nn::Transformer(std::move(blocks), d, tensors.isa()),
                                    .final_norm = bind_norm(tensors, "norm", d, s)},
                                   tensors.isa()),
      .pools = {language::TextPool::mean}};
}

TextPart bind_llama(const Config& config, const Tensors& root) {
  const Tensors tensors = root.either("embed_tokens.weight", {"model"});
  const bool qwen3 = config.string("model_type") == "qwen3";
  const SizeDefaults absent{4096, 32, 32, qwen3 ? size_t{22016} : size_t{11008}};
  BlockSizes s = read_decoder(config, absent, qwen3 ? 128 : 0, qwen3 ? 32 : SIZE_MAX);
  const size_t layers = read_layers(config, absent), d = s.width;
  if (config.boolean("use_sliding_window", false)) config.fail("use_sliding_window", "false");
  s.activation = read_activation(config, "hidden_act", "silu");
  s.rotation = 0;
  s.reach.ahead = 0;  // causal
  BlockNames names = kLlama;
  if (qwen3) {
    s.out_bias = config.boolean("attention_bias", false);
    names.q_norm = "self_attn.q_norm";
    names.k_norm = "self_attn.k_norm";
  }
  const size_t words = config.integer("vocab_size", 1, kMostWords, qwen3 ? 151936 : 32000);
  return {
      .tower = language::TextTower({.tokens = tensors.table("embed_tokens.weight", words, d),
                                    .positions = {},
                                    .padding = {},
                                    .type = {},
                                    .embedding_norm = {},
                                    .rotations = {read_rope(config, s.head, 1e4)},
                                    .blocks = bind_blocks(tensors.in("layers"), names, s, layers),
                                    .final_norm = bind_norm(tensors, "norm", d, s)},
                                   tensors.isa()),
      .pools = {language::TextPool::last_seen}};
}

predictor::JointPredictor bind_llama_predictor(const Config& config, const Tensors& tensors,
                                               size_t vision) {
  const SizeDefaults absent{4096, 32, 32, 11008};
  BlockSizes s = read_decoder(config, absent, 0, SIZE_MAX);
  const size_t all = read_layers(config, absent), d = s.width;
  const size_t layers = config.integer("n_keep_layers", 1, all);
  const size_t dim = config.integer("proj_dim", 1, kMostWidth);
  s.activation = read_activation(config, "hidden_act", "silu");
  s.rotation = 0;
  const size_t words = config.integer("vocab_size", 1, kMostWords, 32000);
  return predictor::JointPredictor({.tokens = tensors.table("embed_tokens.weight", words, d),
                                    .vision = tensors.linear("vis_proj", d, vision, true),
                                    .frequencies = read_rope(config, s.head, 1e4),
                                    .blocks = bind_blocks(tensors.in("layers"), kLlama, s, layers),
                                    .norm = bind_norm(tensors, "norm", d, s),
                                    .head = tensors.linear("out_proj", dim, d, true)},
                                   tensors.isa());
}

}  // namespace sterna::models
