#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/isa.h>
#include <sterna/vision/image.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sterna {

/// One caller's state: threads to run on, scratch memory, and a count of decoder entries. Cheap to
/// make, reused over many calls (after warm-up a forward pass allocates nothing), never shared by
/// two threads at once. A Model is shared by any number of Sessions.
struct Session {
  explicit Session(int threads = 0) : executor(threads) {}  // 0: all cores
  nn::Executor executor;
  nn::Workspace workspace;
  size_t decodes = 0;  // times the decoder was entered; embedding never does

  /// The last question and its encoding: a question asked of many pictures is encoded once. Kept by
  /// Model.
  struct Question {
    uint64_t model = 0;  // whose encoding this is; 0 = none
    std::string text;
    std::vector<uint32_t> ids;
    std::vector<float> hidden;  // [ids, text width]
  };
  Question question;
};

/// How closely Model::see() looks.
enum class Sight : uint8_t {
  coarse,  // once, at the tower's size
  /// A second time at several times that size, if the model file says so (sterna-nano: twice as
  /// wide and high, five times the time): its answers know small things better.
  fine,
};

/// What the vision tower saw in one picture: tokens for the predictor. Reused over questions.
struct Scene {
  uint64_t model = 0;  // whose see() made it, for questions; 0 = none
  size_t tokens = 0;
  std::vector<float> features;   // [tokens, tower width]
  std::vector<float> semantics;  // [tokens, dim]: what each place says in the text space
  std::vector<float> fine;       // the same seen closer (Sight::fine): where questions' words are
                                 // found; or empty
  /// The part of the upright picture that the tower saw: x0, y0, x1, y1 in shares of its sides.
  std::array<float, 4> seen{0, 0, 1, 1};
};

/// One text that was compared or written. The call that gave it says what its score is:
///   Model::answer(), decode()     its probability among all choices; these sum to 1 over all of
///                                 them, those that are not listed included
///   Model::generate(), caption()  the geometric mean probability of its pieces
///   CheckpointModel               what the checkpoint makes of its cosine (its decode() says how):
///                                 of CLIP a probability among all choices, of SigLIP a sigmoid by
///                                 itself, so that scores need not sum to 1
struct Candidate {
  std::string text;
  float score = 0;  // 0 to 1
};

/// Words for an embedding. Owns its texts; a call that is given one overwrites it.
struct Answer {
  std::string text;  // the best candidate, also when not sure
  /// The best candidate's score. It is calibrated, the probability that `text` is right, where
  /// Model::answer() or decode() chose it; not of written texts, nor of a CheckpointModel's.
  float confidence = 0;
  bool sure = false;  // confidence reaches the model's threshold, of a CheckpointModel a half
  std::vector<Candidate> candidates;  // best first: one or more, at most `top`
};

/// Where in the picture an answer has its support: grid x grid places in rows, from the top left of
/// what the tower saw (Scene::seen). Small numbers, also below 0: compare them with each other.
struct Support {
  size_t grid = 0;
  std::vector<float> places;  // [grid * grid]: the fall of the cosine without the place
  float cosine = 0;           // of the prediction with the answer, nothing left out
};

/// Texts and their embeddings, ready to be compared with predictions.
struct AnswerTable {
  std::vector<std::string> texts;
  std::vector<float> embeddings;  // [texts, dim], rows of unit length
};

/// An assembled vision-language model. Const after construction, shared by threads; every call
/// takes the caller's Session. Embeddings are L2-normalised float [dim()].
class Model {
 public:
  struct Options {
    quant::Isa isa = quant::best_isa();
    /// A language model that generate() and caption() write with in the place of the model's own
    /// generator: a GGUF of llama.cpp's, of the model that sterna.prefix.model names. Empty: none.
    std::filesystem::path writer = {};
    /// Threads to open it with, 0 for all cores: those that lay out a writer's maps.
    int threads = 0;
  };
  /// Maps `path` (GGUF); throws Error naming file and fault.
  static Model open(const std::filesystem::path& path, const Options& options);
  /// The same with the default Options.
  static Model open(const std::filesystem::path& path);
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  /// Numbers of an embedding.
  size_t dim() const;

  /// Runs the vision tower. Throws Error for an empty or oversized view.
  Scene see(const vision::ImageView& image, Session& session, Sight sight = Sight::coarse) const;
  /// The same, reusing the scene's memory.
  void see(const vision::ImageView& image, Scene& scene, Session& session,
           Sight sight = Sight::coarse) const;

  /// The picture's own embedding: the prediction for the model's embedding prompt. The same
  /// whichever Sight the scene was seen with.
  void embed(const Scene& scene, std::span<float> out, Session& session) const;
  /// A text (answer, label, query) in the same space.
  void embed(std::string_view text, std::span<float> out, Session& session) const;
  /// Whether the model reads `text` (also a question) to its end; it cuts longer ones off.
  bool reads_whole(std::string_view text) const;

  /// The embedding of the answer to `question` about the picture.
  void predict(const Scene& scene, std::string_view question, std::span<float> out,
               Session& session) const;

  /// Embeds candidates once, for many answers. What is among the model's own answers, as it is or
  /// in lower case, has the embedding that the file holds of it.
  AnswerTable encode(std::span<const std::string> texts, Session& session) const;
  /// The best of `choices`. Enters the decoder (session.decodes + 1).
  Answer answer(const Scene& scene, std::string_view question, const AnswerTable& choices,
                size_t top, Session& session) const;
  /// The best of the model's own answer vocabulary. Enters the decoder. Names, kinds and places
  /// compete there, so the question has to say which is meant: the predictor's head counts more
  /// than in predict(), by a factor of the model file.
  Answer answer(const Scene& scene, std::string_view question, size_t top, Session& session) const;
  /// The same, reusing the memory of `out`. `choices` = nullptr is the model's own vocabulary.
  void answer(const Scene& scene, std::string_view question, const AnswerTable* choices, size_t top,
              Answer& out, Session& session) const;

  /// Words for an embedding that was predicted before, e.g. the average over a stretch of a stream.
  /// Chooses (generate() writes): session.decodes + 1. Throws Error for another width than dim()
  /// and for what is no number.
  void decode(std::span<const float> predicted, const AnswerTable* choices, size_t top, Answer& out,
              Session& session) const;

  /// Whether the model can write texts of its own: generate() and caption().
  bool generates() const;
  /// Writes a text for an embedding that was predicted before: up to `top` candidates, their scores
  /// the mean probability (geometric) of a piece, best first. Like decode() a decoder entry:
  /// session.decodes + 1. Throws Error if the model has no generator, and for another width.
  void generate(std::span<const float> predicted, size_t top, Answer& out, Session& session) const;
  /// The answer to `question`, written rather than chosen.
  void generate(const Scene& scene, std::string_view question, size_t top, Answer& out,
                Session& session) const;
  /// The answer to caption_question(), which the model file names.
  void caption(const Scene& scene, size_t top, Answer& out, Session& session) const;
  /// The question that a caption answers; lives as long as the model. Throws Error without a
  /// generator.
  std::string_view caption_question() const;

  /// Several questions about one scene in one pass; row i of out [questions, dim] for question i,
  /// with the bits that it gets alone.
  void predict(const Scene& scene, std::span<const std::string> questions, std::span<float> out,
               Session& session) const;

  /// How much each place of the picture supports `answer` to `question`, by leaving its token out
  /// of the predictor's input (predictor::occlusion: arXiv 1311.2901, section 4.2): as many passes
  /// of the predictor as there are places, and one more. No decode. Throws Error for a scene that
  /// another model saw. The bits do not depend on the number of threads.
  void support(const Scene& scene, std::string_view question, std::string_view answer, Support& out,
               Session& session) const;

  /// The model's own answers, for a program that lists them.
  std::span<const std::string_view> vocabulary() const;
  const std::filesystem::path& path() const;

 private:
  struct Impl;
  explicit Model(std::unique_ptr<Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace sterna
