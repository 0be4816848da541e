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

/// A checkpoint folder of other people's (config.json with its safetensors, as transformers saves
/// it) that turns pictures into embeddings. Const after construction, shared by threads; every call
/// takes the caller's Session and, once that is warm, allocates nothing.
///
/// Embeddings are float [dim()] of unit length:
///   CLIP, SigLIP     image_embeds: the projected pooler_output
///   ViT, DeiT        pooler_output where the folder has the pooler's weights, else the CLS token
///   DINOv2, DINOv3   the CLS token behind the last norm, which is their pooler_output
///   I-JEPA           the mean of the tokens
///   V-JEPA 2         the mean of the tokens of a still clip: a picture fills the tubelet
/// Pictures are resized, cropped and normalised as preprocessor_config.json says, with
/// transformers' pixels (vision/image_processor.h).
class CheckpointModel {
 public:
  struct Options {
    quant::Isa isa = quant::best_isa();
    /// What the maps of transformer blocks are packed to; the rest stays in floats.
    quant::Type blocks = quant::Type::f32;
  };
  /// Maps the weights; throws Error naming file and fault.
  static CheckpointModel open(const std::filesystem::path& folder, const Options& options);
  static CheckpointModel open(const std::filesystem::path& folder);
  CheckpointModel(CheckpointModel&&) noexcept;
  CheckpointModel& operator=(CheckpointModel&&) noexcept;
  ~CheckpointModel();

  /// Numbers of an embedding.
  size_t dim() const;
  /// Throws Error saying why this folder embeds no pictures, if it does not: a text tower alone, a
  /// predictor that wants a question, no preprocessor_config.json.
  void expect_pictures() const;

  /// out [dim()]. Throws as expect_pictures(), and for an empty or oversized view.
  void embed(const vision::ImageView& picture, std::span<float> out, Session& session) const;

  const std::filesystem::path& path() const;
  /// The files that embeddings depend on, in an order that does not depend on the file system.
  std::vector<std::filesystem::path> files() const;

 private:
  struct Impl;
  explicit CheckpointModel(std::unique_ptr<Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace sterna
