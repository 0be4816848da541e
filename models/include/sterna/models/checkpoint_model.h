#pragma once

#include <sterna/models/model.h>
#include <sterna/quant/formats.h>
#include <sterna/vision/image.h>
#include <sterna/vision/image_processor.h>
#include <sterna/vision/vit.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace sterna {

/// A checkpoint of other people's (a folder of config.json with its safetensors, as transformers
/// saves it, or the GGUF that models::convert() makes of one) that turns pictures, texts or both
/// into embeddings, and with a predictor answers questions. Const after construction, shared by
/// threads; every call takes the caller's Session. Once that is warm, a picture allocates nothing;
/// a text does, for its ids.
///
/// Embeddings are float [dim()] of unit length:
///   CLIP, SigLIP     image_embeds: the projected pooler_output
///   ViT, DeiT        pooler_output where the folder has the pooler's weights, else the CLS token
///   DINOv2, DINOv3   the CLS token behind the last norm, which is their pooler_output
///   I-JEPA           the mean of the tokens
///   V-JEPA 2         the mean of the tokens of a still clip: a picture fills the tubelet
///   open-vljepa      the prediction for embedding_question()
/// of clips:
///   V-JEPA 2         the mean of the clip's tokens: frames in tubelets
///   open-vljepa      the same prediction from the tokens of all frames
///   others           the direction of the mean of the frames' embeddings
/// and of texts:
///   CLIP, SigLIP           text_embeds, in the space of pictures
///   open-vljepa            `target`, in the space of predictions
///   sentence-transformers  what the modules of modules.json make, of unit length in any case
///   other text towers      pooler_output where there is a pooler, else what models::check() calls
///                          pooled
/// "open-vljepa" stands for every model with such a predictor, also those of a sterna.json. It
/// needs two tokenizers: questions are read by that of predictor/, answers by that of y_encoder/
/// (of a sterna.json: of the folders that it names), and of preprocessors that of the vision tower.
/// Texts are tokenised by tokenizer.json, cut to the tower's positions and the folder's limits, and
/// for SigLIP padded as its training did. Questions are cut at 512 tokens. Pictures are resized,
/// cropped and normalised as
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
  /// The same with the default Options.
  static CheckpointModel open(const std::filesystem::path& path);
  CheckpointModel(CheckpointModel&&) noexcept;
  CheckpointModel& operator=(CheckpointModel&&) noexcept;
  ~CheckpointModel();

  /// Numbers of an embedding.
  size_t dim() const;
  /// Throws Error saying why this folder embeds no pictures, if it does not: a text tower alone, no
  /// preprocessor_config.json, a predictor without a tokenizer.
  void expect_pictures() const;

  /// The same for texts: a vision tower alone, no tokenizer.json.
  void expect_texts() const;

  /// out [dim()]. Throws as expect_pictures(), and for an empty or oversized view.
  void embed(const vision::ImageView& picture, std::span<float> out, Session& session) const;
  /// The same of a clip, frames of any number in the order of their times, which should lie evenly
  /// apart. V-JEPA 2 sees what transformers does of them: frames at the end that don't fill a
  /// tubelet are not seen, and of fewer than one tubelet all are repeated (vision::Vit::tokens()).
  /// Zeros where embeddings of frames cancel out. Throws for no frames and, of V-JEPA 2, for frames
  /// that its processor brings to different sizes.
  void embed(std::span<const vision::ImageView> frames, std::span<float> out,
             Session& session) const;

  /// Frames of a clip as the model was trained: config.json's frames_per_clip of V-JEPA 2. 0: a
  /// tower of pictures, which sees the frames of a clip one by one.
  size_t frames_per_clip() const;
  /// A picture as the tower reads it, for those that become part of many clips:
  /// out [3, height, width] of prepared(). Both throw as embed().
  vision::Sides prepared(const vision::ImageView& picture) const;
  void prepare(const vision::ImageView& picture, std::span<float> out, Session& session) const;
  /// embed() of frames that were prepared before: views of one frame each.
  void embed(std::span<const vision::Clip> frames, std::span<float> out, Session& session) const;

  /// out [dim()]. Throws as expect_texts(), and for what the tokenizer can't take.
  void embed(std::string_view text, std::span<float> out, Session& session) const;
  /// Whether the model reads `text` to its end; it cuts longer ones off.
  bool reads_whole(std::string_view text) const;

  /// Whether there is a predictor, to which questions are put.
  bool predicts() const;
  /// Throws Error saying why no questions can be asked: towers alone, no tokenizer.json for them.
  void expect_questions() const;
  /// What embed() asks of a picture: "Describe the video.", as open-vljepa's retrieval does. Empty
  /// without a predictor.
  std::string_view embedding_question() const;
  /// Whether the predictor hears `question` to its end; longer ones are cut off.
  bool hears_whole(std::string_view question) const;
  /// Every layer: see() without a depth.
  static constexpr size_t kAll = static_cast<size_t>(-1);
  /// The tower's tokens (CLS, registers, patches by frame, row, column), to be asked about or for
  /// themselves: of a picture, or of a clip as embed() takes it (of a tower of pictures those of
  /// each frame, one behind the other). With `depth` those behind so many blocks, without the final
  /// norm: transformers' hidden_states[depth], of which no question can be asked. scene.semantics
  /// stays empty.
  void see(const vision::ImageView& picture, Scene& scene, Session& session,
           size_t depth = kAll) const;
  void see(std::span<const vision::Clip> frames, Scene& scene, Session& session,
           size_t depth = kAll) const;
  /// The embedding of the answer to `question`: out [dim()], of unit length, in the space of
  /// embed(text). Throws as expect_questions(), and for a scene that another model saw.
  void predict(const Scene& scene, std::string_view question, std::span<float> out,
               Session& session) const;

  /// Embeds candidates once, for many answers. Throws as embed(text).
  AnswerTable encode(std::span<const std::string> texts, Session& session) const;
  /// The nearest of `choices` to an embedding of a picture, clip or prediction. Like
  /// Model::decode() a decoder entry: session.decodes + 1. Scores are what the checkpoint makes of
  /// the cosines c. CLIP: the softmax of exp(logit_scale) c over all choices. SigLIP: the sigmoid
  /// of exp(logit_scale) c + logit_bias, each by itself. open-vljepa: the softmax of c by the
  /// temperature that it was trained with, 0.07 unless config.json or sterna.json has another
  /// `temperature`. A checkpoint that says nothing of it: c, or 0 where that is less. Not
  /// calibrated; sure: from a half on. Throws Error for no choices, for another width than dim()
  /// and for what is no number.
  void decode(std::span<const float> embedding, const AnswerTable& choices, size_t top, Answer& out,
              Session& session) const;
  /// predict(), then decode().
  Answer answer(const Scene& scene, std::string_view question, const AnswerTable& choices,
                size_t top, Session& session) const;

  const std::filesystem::path& path() const;
  /// The files that embeddings depend on, in an order that does not depend on the file system.
  std::vector<std::filesystem::path> files() const;

 private:
  struct Impl;
  explicit CheckpointModel(std::unique_ptr<Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace sterna
