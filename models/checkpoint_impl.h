#pragma once

#include <sterna/models/checkpoint_model.h>
#include <sterna/vision/image_processor.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model_id.h"
#include "text_input.h"
#include "towers.h"

namespace sterna {

/// What a CheckpointModel is made of, and the passes that its calls are made of. Memory that these
/// give out is the workspace's: it is the caller's Frame that ends it.
struct CheckpointModel::Impl {
  using VisionPart = models::VisionPart;

  Impl(const std::filesystem::path& at, const Options& options);

  void bind_pictures();
  void bind_texts();
  void bind_questions();
  void check(std::span<const float> out) const;
  bool reads_clips() const { return model.vision->input == VisionPart::Input::clips; }
  bool predicts() const { return model.kind == models::FolderModel::Kind::vljepa; }

  /// Throws for none, and where pictures are not read.
  void expect_frames(size_t n) const;
  /// The same, and for views of other than one frame.
  void expect_singles(std::span<const vision::Clip> frames) const;

  /// Pictures as the tower reads them.
  vision::Clip prepared(const vision::ImageView& picture, Session& session) const;
  std::span<const vision::Clip> prepared(std::span<const vision::ImageView> frames,
                                         Session& session) const;
  /// Frames of one size as one clip.
  vision::Clip joined(std::span<const vision::Clip> frames, nn::Workspace& workspace) const;
  /// The tower's tokens: of a clip, or of pictures one behind the other; see()'s `depth`.
  nn::Mat<const float> look(std::span<const vision::Clip> frames, size_t depth,
                            Session& session) const;
  /// The picture's, or clip's, own embedding, of a model that wants no question.
  void see(const vision::Clip& clip, std::span<float> out, Session& session) const;
  /// The direction of the mean of what `embed_frame(i, out)` makes of each of n frames.
  template <class F>
  void average(size_t n, std::span<float> out, Session& session, F&& embed_frame) const;
  void embed(std::span<const vision::Clip> frames, std::span<float> out, Session& session) const;
  void read(std::string_view text, std::span<float> out, Session& session) const;
  void predict(nn::Mat<const float> tokens, std::span<const uint32_t> question,
               std::span<float> out, Session& session) const;

  uint64_t id = models::next_model_id();
  std::filesystem::path path;
  models::Source source;
  quant::Isa isa;
  models::FolderModel model;
  size_t dim = 0;
  std::optional<vision::ImageProcessor> processor;
  std::string unseeing;  // why there is none
  std::optional<models::TextInput> texts;
  std::string unreading;  // why there is none
  std::optional<models::TextInput> questions;
  std::string unasking;                      // why there is none
  std::string embedding_question;            // asked of a picture that is embedded
  std::vector<uint32_t> embedding_question_ids;
};

}  // namespace sterna
