#pragma once

#include <sterna/models/model.h>
#include <sterna/quant/formats.h>
#include <sterna/vision/image.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace sterna {

/// A checkpoint of other people's (a folder of config.json with its safetensors, as transformers
/// saves it, or the GGUF that models::convert() makes of one) that turns pictures, texts or both into embeddings. Const after construction, shared by
/// threads; every call takes the caller's Session. Once that is warm, a picture allocates nothing;
/// a text does, for its ids.
///
/// Embeddings are float [dim()] of unit length:
///   CLIP, SigLIP     image_embeds: the projected pooler_output
///   ViT, DeiT        pooler_output where the folder has the pooler's weights, else the CLS token
///   DINOv2, DINOv3   the CLS token behind the last norm, which is their pooler_output
///   I-JEPA           the mean of the tokens
///   V-JEPA 2         the mean of the tokens of a still clip: a picture fills the tubelet
/// and of texts:
///   CLIP, SigLIP           text_embeds, in the space of pictures
///   sentence-transformers  what the modules of modules.json make, of unit length in any case
///   other text towers      pooler_output where there is a pooler, else what models::check() calls
///                          pooled
/// Texts are tokenised by tokenizer.json, cut to the tower's positions and the folder's limits, and
/// for SigLIP padded as its training did. Pictures are resized, cropped and normalised as
/// preprocessor_config.json says, with transformers' pixels (vision/image_processor.h).
class CheckpointModel {
 public:
  struct Options {
    quant::Isa isa = quant::best_isa();
    /// What the maps of transformer blocks are packed to; the rest stays in floats.
    quant::Type blocks = quant::Type::f32;
  };
  /// Maps the weights; throws Error naming file and fault.
  static CheckpointModel open(const std::filesystem::path& path, const Options& options);
  static CheckpointModel open(const std::filesystem::path& path);
  CheckpointModel(CheckpointModel&&) noexcept;
  CheckpointModel& operator=(CheckpointModel&&) noexcept;
  ~CheckpointModel();

  /// Numbers of an embedding.
  size_t dim() const;
  /// Throws Error saying why this folder embeds no pictures, if it does not: a text tower alone, a
  /// predictor that wants a question, no preprocessor_config.json.
  void expect_pictures() const;

  /// The same for texts: a vision tower alone, no tokenizer.json.
  void expect_texts() const;

  /// out [dim()]. Throws as expect_pictures(), and for an empty or oversized view.
  void embed(const vision::ImageView& picture, std::span<float> out, Session& session) const;
  /// out [dim()]. Throws as expect_texts(), and for what the tokenizer can't take.
  void embed(std::string_view text, std::span<float> out, Session& session) const;
  /// Whether the model reads `text` to its end; it cuts longer ones off.
  bool reads_whole(std::string_view text) const;

  const std::filesystem::path& path() const;
  /// The files that embeddings depend on, in an order that does not depend on the file system.
  std::vector<std::filesystem::path> files() const;

 private:
  struct Impl;
  explicit CheckpointModel(std::unique_ptr<Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace sterna
