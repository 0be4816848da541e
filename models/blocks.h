#pragma once

#include <sterna/nn/head_limit.h>
#include <sterna/nn/transformer.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint.h"
#include "config.h"

// How the blocks of a family of checkpoints are spelt, and their numbers read and tensors bound.
namespace sterna::models {

/// Names below a block's scope, with spellings as Tensors takes them ("a|b"); empty where the
/// family has no such part. Norms and maps without their ".weight".
struct BlockNames {
  std::string_view attn_before = {}, attn_inside = {}, attn_after = {}, attn_scale = {};
  std::string_view q = {}, k = {}, v = {}, out = {}, q_norm = {}, k_norm = {};
  std::string_view mlp_before = {}, mlp_inside = {}, mlp_after = {}, mlp_scale = {};
  std::string_view gate = {}, up = {}, down = {};
  std::string_view qkv = {};          // one map in place of q, k and v, where a file has it
  std::string_view gate_and_up = {};  // one map [2f, d], the gate first, in place of gate and up
};

/// Blocks of CLIP and SigLIP, of pictures and of texts.
inline constexpr BlockNames kClip = {.attn_before = "layer_norm1",
                                     .q = "self_attn.q_proj",
                                     .k = "self_attn.k_proj",
                                     .v = "self_attn.v_proj",
                                     .out = "self_attn.out_proj",
                                     .mlp_before = "layer_norm2",
                                     .up = "mlp.fc1",
                                     .down = "mlp.fc2"};

/// Blocks of timm's vision transformers, and of V-JEPA 2.1's own code, which follows them.
inline constexpr BlockNames kTimm = {.attn_before = "norm1",
                                     .out = "attn.proj",
                                     .mlp_before = "norm2",
                                     .up = "mlp.fc1",
                                     .down = "mlp.fc2",
                                     .qkv = "attn.qkv"};

/// The numbers of one block.
struct BlockSizes {
  size_t width = 0, heads = 0, kv_heads = 0, head = 0, hidden = 0;
  bool q_bias = true, k_bias = true, v_bias = true, out_bias = true, mlp_bias = true;
  bool norm_bias = true;
  nn::Norm::Kind norm = nn::Norm::Kind::layer;
  double eps = 0;
  float gain_offset = 0;  // Gemma's 1
  float scale = 1;        // of attention scores
  nn::Activation activation = nn::Activation::gelu;
  nn::Reach reach;
  int rotation = -1;
};

/// The same word on the biases of q, k and v.
inline void set_qkv_bias(BlockSizes& sizes, bool bias) {
  sizes.q_bias = sizes.k_bias = sizes.v_bias = bias;
}

inline constexpr size_t kMostWidth = 65536, kMostLayers = 4096, kMostTokens = 1 << 20,
                        kMostWords = 1 << 24, kMostPixels = 1 << 16, kMostPatch = 256,
                        kMostFrames = 4096;
using nn::kMostHead;

/// hidden_size, num_attention_heads, intermediate_size (where `hidden` isn't given), and a scale of
/// 1 / sqrt(head). Absent keys have BERT base's and ViT base's values, as in transformers, unless
/// `absent` has others.
struct SizeDefaults {
  size_t width = 768, layers = 12, heads = 12, hidden = 3072;
};
BlockSizes read_sizes(const Config& config, const SizeDefaults& absent = {});
size_t read_layers(const Config& config, const SizeDefaults& absent = {});
/// patch_size, of pictures of 3 channels as `channels` must say.
size_t read_patch(const Config& config, const char* channels, size_t absent);
/// The activation that `key` names; one that Sterna lacks is an error that lists those it has.
nn::Activation read_activation(const Config& config, std::string_view key,
                               const std::string& absent);

nn::Norm bind_norm(const Tensors& scope, std::string_view name, size_t width,
                   const BlockSizes& sizes);
nn::TransformerBlock bind_block(const Tensors& scope, const BlockNames& names,
                                const BlockSizes& sizes);
/// Blocks `scope`.0, .1, ... that are alike.
nn::Transformer bind_blocks(const Tensors& scope, const BlockNames& names, const BlockSizes& sizes,
                            size_t layers);

/// Which layers look at a window only: `layer_types`, or where it is absent what `pattern` says.
std::vector<bool> read_sliding(const Config& config, size_t layers,
                               const std::function<bool(size_t)>& pattern);

/// The frequencies of rotary positions: rope_parameters, or the older rope_theta and rope_scaling.
/// Types default, linear and llama3; another is an error that names it.
std::vector<float> read_rope(const Config& config, size_t head, double theta);
/// The same of one layer type's object {"rope_theta", "rope_type", ...}.
std::vector<float> read_rope_of(const Config& rope, size_t head, double theta);

}  // namespace sterna::models
