#pragma once

#include <sterna/models/model.h>
#include <sterna/vision/image.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

#include "cli/options.h"

namespace sterna::cli {

/// What answers questions about pictures: a model file of Sterna's, or somebody else's checkpoint,
/// a folder or converted. Const, shared by threads, each with a Session and Scene of its own.
class Answerer {
 public:
  virtual ~Answerer() = default;
  virtual const std::filesystem::path& path() const = 0;

  /// What it can do beside choosing among given answers.
  virtual bool hears() const = 0;      // hears the question; two towers only compare answers
  virtual bool knows() const = 0;      // has answers of its own
  virtual bool generates() const = 0;  // writes answers
  virtual bool points() const = 0;     // tells where an answer comes from

  virtual void see(const vision::ImageView& picture, Scene& scene, Session& session) const = 0;
  virtual AnswerTable encode(const std::vector<std::string>& answers, Session& session) const = 0;
  /// The best of `choices`, nullptr standing for the model's own. Throws Error where it has none.
  virtual Answer answer(const Scene& scene, const std::string& question,
                        const AnswerTable* choices, size_t top, Session& session) const = 0;
  /// These two throw Error where the model can't.
  virtual Answer write(const Scene& scene, const std::string& question, size_t top,
                       Session& session) const = 0;
  virtual void support(const Scene& scene, const std::string& question, const std::string& answer,
                       Support& out, Session& session) const = 0;
  /// Whether `question` is heard to its end; longer ones are cut off.
  virtual bool hears_whole(const std::string& question) const = 0;
  /// The question that a caption answers. Throws Error for a model that does not write.
  virtual std::string caption_question() const = 0;
};

/// Opens what `path` names. Throws Error naming file and fault: also of a checkpoint that sees no
/// pictures or reads no texts.
std::unique_ptr<Answerer> open_answerer(const std::filesystem::path& path, const Common& common);
/// The one that the options name, or the default model.
std::unique_ptr<Answerer> open_answerer(const Common& common);

}  // namespace sterna::cli
