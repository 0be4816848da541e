#pragma once

#include <sterna/language/text_pool.h>
#include <sterna/language/text_tower.h>
#include <sterna/predictor/joint_predictor.h>
#include <sterna/vision/patch_predictor.h>
#include <sterna/vision/vit.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "checkpoint.h"
#include "config.h"
#include "source.h"

// Towers of Hugging Face folders, bound: config.json says what they are, the safetensors hold their
// weights. The one place where names in such folders become modules.
namespace sterna::models {

/// One thing that becomes of a pooled vector: its norm, a map, tanh or another activation of it,
/// unit length; in this order, and any of them may be missing.
struct HeadStep {
  nn::Norm norm = {};
  std::optional<quant::Linear> map = {};
  std::optional<nn::Activation> activation = {};
  bool tanh = false;
  bool unit = false;
};

/// What becomes of a tower's pooled vector: `pooled` (BERT's pooler, CLIP's norm) gives what
/// transformers calls pooler_output, `embedding` (a projection, a sentence-transformers folder's
/// modules) makes the embedding of that.
struct Head {
  std::vector<HeadStep> pooled, embedding;
};

/// The vector behind these steps, in memory of `workspace`: it is the caller's Frame that ends it.
/// Throws sterna::Error if a map has other columns.
std::span<float> follow(std::span<const HeadStep> steps, std::span<const float> x,
                        const nn::Executor& executor, nn::Workspace& workspace, quant::Isa isa);

struct VisionPart {
  enum class Pool { none, first, attention, patches };
  enum class Input { pictures, clips, patches };

  vision::Vit vit;
  Input input = Input::pictures;
  size_t frames = 1;  // of a clip as in training
  Pool pool = Pool::none;
  std::optional<vision::AttentionPool> attention = {};
  std::optional<vision::PatchPredictor> predictor = {};  // V-JEPA 2's
  /// What the predictor looks at, if not the tower's last tokens: those behind so many blocks, each
  /// by its norm, side by side.
  struct Level {
    size_t depth;
    nn::Norm norm;
  };
  std::vector<Level> levels = {};
  Head head = {};
};

/// What is pooled of a picture's or clip's tokens [n, d] (one token, the attention's, with
/// Pool::patches the mean of those behind the prefix, or with Pool::none of all) and what
/// `head.pooled` makes of it: transformers' pooler_output where a tower has one. In memory of
/// `workspace`, as follow()'s.
std::span<float> pool_picture(const VisionPart& part, nn::Mat<const float> tokens,
                              const nn::Executor& executor, nn::Workspace& workspace,
                              quant::Isa isa);

/// Numbers of a picture's embedding.
size_t embedding_width(const VisionPart& part);

struct TextPart {
  language::TextTower tower;
  /// Vectors that lie one behind the other in what is pooled.
  std::vector<language::TextPool> pools = {language::TextPool::mean};
  /// CLIP pools the token of its end instead: that of this id, or none: the one of the highest id.
  bool pool_end = false;
  std::optional<uint32_t> end = {};
  Head head = {};
};

/// [pools d]: what is pooled of one text's states [t, d] (its ids, and which are hidden).
std::vector<float> pool_text(const TextPart& part, nn::Mat<const float> states,
                             std::span<const uint32_t> ids, std::span<const uint8_t> hidden);

/// Numbers of a text's embedding.
size_t embedding_width(const TextPart& part);

/// How a dual model makes probabilities of cosines c. CLIP: softmax of exp(scale) c over the texts;
/// SigLIP, which has a bias: the sigmoid of exp(scale) c + bias, each text by itself.
struct Logits {
  float scale = 0;
  std::optional<float> bias = {};
};
void score(const Logits& logits, std::span<float> cosines);  // in place

/// A folder's model. The towers view `files`.
struct FolderModel {
  enum class Kind { single, dual, vljepa };

  std::vector<std::unique_ptr<Checkpoint>> files;
  Kind kind = Kind::single;
  std::optional<VisionPart> vision;
  std::optional<TextPart> text;
  std::optional<Logits> logits;  // of dual models that have learned them, of vljepa always
  std::optional<predictor::JointPredictor> predictor;
};

/// Binds the weights of a folder: one that sterna.json composes of others, or
/// open_plain_folder()'s. Throws sterna::Error naming file and fault; a model_type, a module, or a
/// setting that Sterna does not run is an error that names it.
/// The maps of transformer blocks are packed to `blocks`; all else stays in floats.
FolderModel open_folder(const std::filesystem::path& folder, quant::Isa isa,
                        quant::Type blocks = quant::Type::f32);
/// The same of a folder or a converted GGUF.
FolderModel open_source(const Source& source, const Opening& opening);

/// DIR/sterna.json {"vision": "DIR", "text": "DIR", "predictor": "DIR"}: names of folders in this
/// one. Vision and text are any folders that hold such a tower (alone, of a dual model, of
/// sentence-transformers). The predictor's has the config.json of a Llama with n_keep_layers and
/// proj_dim, and open-vljepa's tensors (embed_tokens, layers.N, norm, vis_proj, out_proj); where
/// the text tower's embeddings aren't proj_dim wide, text_proj maps them.
FolderModel open_composed(const Source& source, const Opening& opening);
/// A folder of sentence-transformers (modules.json), or of one model (config.json).
FolderModel open_plain(const Source& source, const Opening& opening);
FolderModel open_sentence(const Source& source, const Opening& opening);
FolderModel open_tower(const Source& source, const Opening& opening);

/// Where the parts of a FolderModel::Kind::vljepa keep their preprocessor and tokenizers: the
/// folders that its sterna.json names, or in an open-vljepa folder that folder, y_encoder/ and
/// predictor/.
Source vision_source(const Source& source);
Source text_source(const Source& source);
Source predictor_source(const Source& source);
/// The temperature of its InfoNCE, as `temperature` of `config` has it or as open-vljepa trains: a
/// softmax of cosines over choices.
Logits vljepa_logits(const Config& config);

// One family each; `config` is the tower's own object.
VisionPart bind_vit(const Config& config, const Tensors& tensors);  // ViT, DeiT, I-JEPA
/// timm's VisionTransformer (`architecture` of its config.json): ViT, DeiT, DeiT III and DINOv2 of
/// one size, with or without registers. What the configuration does not say (heads, MLP) follows
/// from the name.
VisionPart bind_timm(const Config& config, const Tensors& tensors);
VisionPart bind_dinov3(const Config& config, const Tensors& tensors);
VisionPart bind_dinov2(const Config& config, const Tensors& tensors);  // with or without registers
VisionPart bind_clip_vision(const Config& config, const Tensors& tensors);
VisionPart bind_siglip_vision(const Config& config, const Tensors& tensors);
VisionPart bind_siglip2_vision(const Config& config, const Tensors& tensors);  // NaFlex
VisionPart bind_vjepa2(const Config& config, const Tensors& tensors);
/// V-JEPA 2.1, whose checkpoints are facebookresearch/vjepa2's (tools/convert_pt.py): names of that
/// code, and the keys of transformers' VJEPA2Config.
VisionPart bind_vjepa21(const Config& config, const Tensors& tensors);
TextPart bind_bert_tower(const Config& config, const Tensors& tensors);  // and RoBERTa's kind
TextPart bind_clip_text(const Config& config, const Tensors& tensors);
TextPart bind_siglip_text(const Config& config, const Tensors& tensors);
TextPart bind_modern_bert(const Config& config, const Tensors& tensors);
TextPart bind_llama(const Config& config, const Tensors& tensors);  // Llama, Qwen3
TextPart bind_gemma3(const Config& config, const Tensors& tensors);
/// open-vljepa's predictor: the last n_keep_layers of a Llama, `vision` wide visual tokens.
predictor::JointPredictor bind_llama_predictor(const Config& config, const Tensors& tensors,
                                               size_t vision);

}  // namespace sterna::models
