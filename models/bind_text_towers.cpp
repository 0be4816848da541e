#include <sterna/quant/error.h>

#include <utility>

#include "blocks.h"
#include "towers.h"

namespace sterna::models {
namespace {

constexpr BlockNames kBert = {.attn_after = "attention.output.LayerNorm",
                              .q = "attention.self.query",
                              .k = "attention.self.key",
                              .v = "attention.self.value",
                              .out = "attention.output.dense",
                              .mlp_after = "output.LayerNorm",
                              .up = "intermediate.dense",
                              .down = "output.dense"};

constexpr BlockNames kModernBert = {.attn_before = "attn_norm",
                                    .out = "attn.Wo",
                                    .mlp_before = "mlp_norm",
                                    .down = "mlp.Wo",
                                    .qkv = "attn.Wqkv",
                                    .gate_and_up = "mlp.Wi"};

/// The text towers of CLIP and SigLIP: pre-norm blocks over token and position tables.
language::TextTower bind_clip_like(const Config& config, const Tensors& tensors,
                                   const BlockSizes& s, size_t layers, size_t words,
                                   size_t tokens) {
  const size_t d = s.width;
  words = config.integer("vocab_size", 1, kMostWords, words);
  tokens = config.integer("max_position_embeddings", 1, kMostTokens, tokens);
  return language::TextTower(
      {.tokens = tensors.table("embeddings.token_embedding.weight", words, d),
       .positions = tensors.table("embeddings.position_embedding.weight", tokens, d),
       .padding = {},
       .type = {},
       .embedding_norm = {},
       .rotations = {},
       .blocks = bind_blocks(tensors.in("encoder.layers"), kClip, s, layers),
       .final_norm = tensors.layer_norm("final_layer_norm", d, s.eps)},
      tensors.isa());
}

}  // namespace

TextPart bind_bert_tower(const Config& config, const Tensors& root) {
  const Tensors tensors =
      root.either("embeddings.word_embeddings.weight", {"bert", "roberta", "xlm_roberta"});
  BlockSizes s = read_sizes(config);
  const size_t layers = read_layers(config), d = s.width;
  s.eps = config.number("layer_norm_eps", 0, 1, 1e-12);
  s.activation = read_activation(config, "hidden_act", "gelu");
  if (config.string("position_embedding_type", "absolute") != "absolute")
    config.fail("position_embedding_type", "\"absolute\"");
  for (const char* key : {"is_decoder", "add_cross_attention"})
    if (config.boolean(key, false)) config.fail(key, "false");

  const size_t words = config.integer("vocab_size", 1, kMostWords, 30522);
  const size_t tokens = config.integer("max_position_embeddings", 1, kMostTokens, 512);
  const size_t types = config.integer("type_vocab_size", 1, 1024, 2);
  std::optional<uint32_t> padding;
  if (config.string("model_type") != "bert")
    padding = static_cast<uint32_t>(config.integer("pad_token_id", 0, words - 1, 1));
  TextPart part{
      .tower = language::TextTower(
          {.tokens = tensors.table("embeddings.word_embeddings.weight", words, d),
           .positions = tensors.table("embeddings.position_embeddings.weight", tokens, d),
           .padding = padding,
           .type = tensors.floats("embeddings.token_type_embeddings.weight", {types, d}).first(d),
           .embedding_norm = tensors.layer_norm("embeddings.LayerNorm", d, s.eps),
           .rotations = {},
           .blocks = bind_blocks(tensors.in("encoder.layer"), kBert, s, layers),
           .final_norm = {}},
          tensors.isa()),
      .pools = {language::TextPool::mean}};
  if (tensors.has("pooler.dense.weight")) {
    part.pools = {language::TextPool::first};
    part.head.pooled = {{.map = tensors.linear("pooler.dense", d, d, true), .tanh = true}};
  }
  return part;
}

TextPart bind_modern_bert(const Config& config, const Tensors& root) {
  const Tensors tensors = root.either("embeddings.tok_embeddings.weight", {"model"});
  const SizeDefaults absent{768, 22, 12, 1152};
  BlockSizes s = read_sizes(config, absent);
  const size_t layers = read_layers(config, absent), d = s.width;
  s.eps = config.number("norm_eps", 0, 1, 1e-5);
  s.norm_bias = config.boolean("norm_bias", false);
  s.mlp_bias = config.boolean("mlp_bias", false);
  s.out_bias = config.boolean("attention_bias", false);
  set_qkv_bias(s, s.out_bias);
  s.activation = read_activation(config, "hidden_activation", "gelu");
  const auto near = static_cast<uint32_t>(config.integer("local_attention", 2, INT32_MAX, 128) / 2);
  const size_t every = config.integer("global_attn_every_n_layers", 1, kMostLayers, 3);
  const std::vector<bool> sliding =
      read_sliding(config, layers, [&](size_t i) { return i % every != 0; });

  const Config rope = config.in("rope_parameters");
  const double far_base = config.number("global_rope_theta", 1, 1e12, 160000.0);
  const double near_base = config.number("local_rope_theta", 1, 1e12, 10000.0);
  std::vector<nn::TransformerBlock> blocks;
  for (size_t i = 0; i < layers; ++i) {
    BlockNames names = kModernBert;
    if (i == 0) names.attn_before = {};  // the norm of the embeddings is this one
    s.reach = sliding[i] ? nn::Reach{near, near} : nn::Reach{};
    s.rotation = sliding[i] ? 1 : 0;
    blocks.push_back(bind_block(tensors.in("layers").in(std::to_string(i)), names, s));
  }
  const size_t words = config.integer("vocab_size", 1, kMostWords, 50368);
  return {.tower = language::TextTower(
              {.tokens = tensors.table("embeddings.tok_embeddings.weight", words, d),
               .positions = {},
               .padding = {},
               .type = {},
               .embedding_norm = bind_norm(tensors, "embeddings.norm", d, s),
               .rotations = {read_rope_of(rope.in("full_attention"), s.head, far_base),
                             read_rope_of(rope.in("sliding_attention"), s.head, near_base)},
               .blocks = nn::Transformer(std::move(blocks), d, tensors.isa()),
               .final_norm = bind_norm(tensors, "final_norm", d, s)},
              tensors.isa()),
          .pools = {language::TextPool::first}};
}

TextPart bind_clip_text(const Config& config, const Tensors& root) {
  const Tensors tensors = root.either("embeddings.token_embedding.weight", {"text_model"});
  const SizeDefaults absent{512, 12, 8, 2048};
  BlockSizes s = read_sizes(config, absent);
  const size_t layers = read_layers(config, absent);
  s.eps = config.number("layer_norm_eps", 0, 1, 1e-5);
  s.activation = read_activation(config, "hidden_act", "quick_gelu");
  s.reach.ahead = 0;  // causal
  // Configs from before transformers' #24773 all say 2, which is not the id in use: the highest id
  // of the text, which is that of the end, was and is pooled then.
  constexpr size_t kUnknownEnd = 2;
  const size_t end = config.integer("eos_token_id", 0, UINT32_MAX, 49407);
  TextPart part{.tower = bind_clip_like(config, tensors, s, layers, 49408, 77), .pool_end = true};
  if (end != kUnknownEnd) part.end = static_cast<uint32_t>(end);
  return part;
}

TextPart bind_siglip_text(const Config& config, const Tensors& root) {
  const Tensors tensors = root.either("embeddings.token_embedding.weight", {"text_model"});
  BlockSizes s = read_sizes(config);
  const size_t layers = read_layers(config);
  s.eps = config.number("layer_norm_eps", 0, 1, 1e-6);
  s.activation = read_activation(config, "hidden_act", "gelu_pytorch_tanh");
  const size_t dim = config.integer("projection_size", 1, kMostWidth, s.width);
  TextPart part{.tower = bind_clip_like(config, tensors, s, layers, 32000, 64),
                .pools = {language::TextPool::last}};
  part.head.pooled = {{.map = tensors.linear("head", dim, s.width, true)}};
  return part;
}

}  // namespace sterna::models
