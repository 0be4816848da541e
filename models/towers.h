#pragma once

#include <sterna/language/text_tower.h>
#include <sterna/predictor/joint_predictor.h>
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

// Towers of Hugging Face folders, bound: config.json says what they are, the safetensors hold their
// weights. The one place where names in such folders become modules.
namespace sterna::models {

/// What becomes of a tower's pooled token: norm, dense, tanh give "pooled"; projection the
/// embedding.
struct Head {
  nn::Norm norm;
  std::optional<quant::Linear> dense;
  bool tanh = false;
  std::optional<quant::Linear> projection;

  /// x -> norm, dense, tanh.
  std::vector<float> pooled(std::span<const float> x, const nn::Executor& executor,
                            nn::Workspace& workspace, quant::Isa isa) const;
  /// Its projection, or itself where there is none.
  std::vector<float> embedding(std::span<const float> pooled, const nn::Executor& executor,
                               nn::Workspace& workspace) const;
};

struct VisionPart {
  enum class Pool { none, first, attention };

  vision::Vit vit;
  bool video = false;  // its input has frames
  Pool pool = Pool::none;
  std::optional<vision::AttentionPool> attention;
  Head head;
};

struct TextPart {
  enum class Pool { none, first, mean, end, last };

  language::TextTower tower;
  Pool pool = Pool::none;
  /// The id whose first place is pooled (Pool::end); none: the place of the highest id.
  std::optional<uint32_t> end;
  Head head;
};

/// A folder's model. The towers view `files`.
struct FolderModel {
  enum class Kind { single, dual, vljepa };

  std::unique_ptr<Checkpoint> files;
  Kind kind = Kind::single;
  std::optional<VisionPart> vision;
  std::optional<TextPart> text;
  std::optional<predictor::JointPredictor> predictor;
};

/// Reads DIR/config.json and binds the weights beside it. Throws sterna::Error naming file and
/// fault; a model_type, or a setting, that Sterna does not run is an error that names it.
/// The maps of transformer blocks are packed to `blocks`; all else stays in floats.
FolderModel open_folder(const std::filesystem::path& folder, quant::Isa isa,
                        quant::Type blocks = quant::Type::f32);

// One family each; `config` is the tower's own object.
VisionPart bind_vit(const Config& config, const Tensors& tensors);  // ViT, DeiT, I-JEPA
VisionPart bind_dinov3(const Config& config, const Tensors& tensors);
VisionPart bind_dinov2(const Config& config, const Tensors& tensors);  // with or without registers
VisionPart bind_clip_vision(const Config& config, const Tensors& tensors);
VisionPart bind_siglip_vision(const Config& config, const Tensors& tensors);
VisionPart bind_vjepa2(const Config& config, const Tensors& tensors);
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
