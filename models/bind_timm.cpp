#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "blocks.h"
#include "text.h"
#include "towers.h"

// timm's vision transformers, in the folders that its `push_to_hf_hub` and `save_for_hf` write.
namespace sterna::models {
namespace {

/// Sizes by their word in an architecture's name (timm/models/vision_transformer.py and deit.py).
struct Size {
  std::string_view word;
  size_t heads;
  double mlp_ratio = 4;
};
constexpr std::array kSizes = {
    Size{"tiny", 3},   Size{"small", 6},  Size{"medium", 8},
    Size{"betwixt", 10}, Size{"base", 12},  Size{"large", 16},
    Size{"huge", 16},  Size{"giant", 16, 48.0 / 11}, Size{"gigantic", 16, 64.0 / 13}};

std::vector<std::string> words_of(const std::string& name) {
  std::vector<std::string> words(1);
  for (const char c : name) {
    if (c == '_') {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return words;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// "vit_base_patch16_reg4_gap_256": its size; `patch` gets 16.
const Size& read_architecture(const Config& config, size_t& patch) {
  const auto words = words_of(config.string("architecture"));
  const Size* size = nullptr;
  bool known = words[0] == "vit" || words[0] == "deit" || words[0] == "deit3";
  patch = 0;
  for (size_t i = 1; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (i == 1) {
      for (const Size& s : kSizes)
        if (s.word == word) size = &s;
    } else if (word.starts_with("patch") && is_number(std::string_view(word).substr(5))) {
      patch = std::stoul(word.substr(5, 4));
    } else if (!is_number(word) && word != "reg1" && word != "reg4" && word != "gap" &&
               word != "dinov2") {
      known = false;
    }
  }
  if (!known || size == nullptr || patch == 0 || patch > kMostPatch) {
    config.fail("architecture",
                "timm's vit, deit or deit3 of a size from tiny to gigantic, of patches, perhaps "
                "with reg1, reg4, gap or dinov2");
  }
  return *size;
}

}  // namespace

VisionPart bind_timm(const Config& config, const Tensors& tensors) {
  size_t p = 0;
  const Size& size = read_architecture(config, p);
  if (config.has("model_args")) config.fail("model_args", "none: the name's own settings");
  for (const char* other :
       {"norm_pre.weight", "attn_pool.q.weight", "blocks.0.attn.q_norm.weight",
        "blocks.0.attn.norm.weight", "blocks.0.mlp.norm.weight", "dist_token"}) {
    if (tensors.has(other))
      config.fail("architecture", "one without the tensor " + in_quotes(other));
  }
  BlockSizes s;
  const size_t d = s.width = config.integer("num_features", 1, kMostWidth);
  s.heads = s.kv_heads = size.heads;
  if (d % s.heads != 0 || d / s.heads > kMostHead) {
    config.fail("num_features", "a multiple of its " + std::to_string(s.heads) + " heads");
  }
  s.head = d / s.heads;
  s.scale = 1.0F / std::sqrt(static_cast<float>(s.head));
  s.hidden = static_cast<size_t>(static_cast<double>(d) * size.mlp_ratio);
  s.eps = 1e-6;
  set_qkv_bias(s, tensors.has("blocks.0.attn.qkv.bias"));
  s.activation = nn::Activation::gelu;
  BlockNames names = kTimm;
  if (tensors.has("blocks.0.ls1.gamma")) {
    names.attn_scale = "ls1.gamma";
    names.mlp_scale = "ls2.gamma";
  }
  size_t layers = 0;
  while (layers < kMostLayers && tensors.has("blocks." + std::to_string(layers) + ".norm1.weight"))
    ++layers;

  vision::VitWeights w;
  w.patch = tensors.linear("patch_embed.proj", d, 3 * p * p, true);
  w.patch_size = p;
  std::vector<float> prefix;
  for (const char* name : {"cls_token", "reg_token"}) {
    if (!tensors.has(name)) continue;
    const auto rows = tensors.rows(name, d);
    prefix.insert(prefix.end(), rows.begin(), rows.end());
  }
  const size_t before = prefix.size() / d;
  w.prefix = tensors.keep(std::move(prefix));
  w.position = tensors.rows("pos_embed", d);
  // All tokens have positions, or (no_embed_class) the patches alone.
  const size_t side = config.in("pretrained_cfg").integers("input_size", 3, 1, kMostPixels)[1] / p;
  w.placed = w.position.size() / d == side * side ? 0 : before;
  w.blocks = bind_blocks(tensors.in("blocks"), names, s, layers);

  const std::string pool = config.string("global_pool", "token");
  if (pool != "token" && pool != "avg") config.fail("global_pool", "\"token\" or \"avg\"");
  if (pool == "token" && !tensors.has("cls_token"))
    config.fail("global_pool", "\"avg\" where there is no cls_token");
  // The norm stands before the pooling, or (fc_norm) behind it.
  if (tensors.has("norm.weight")) w.final_norm = tensors.layer_norm("norm", d, s.eps);
  VisionPart part{
      .vit = vision::Vit(std::move(w), tensors.isa()),
      .pool = pool == "token" ? VisionPart::Pool::first : VisionPart::Pool::patches};
  if (tensors.has("fc_norm.weight"))
    part.head.pooled = {{.norm = tensors.layer_norm("fc_norm", d, s.eps)}};
  return part;
}

}  // namespace sterna::models
