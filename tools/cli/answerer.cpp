#include "cli/answerer.h"

#include <sterna/models/checkpoint_model.h>
#include <sterna/quant/error.h>

#include <utility>

#include "cli/model_path.h"

namespace fs = std::filesystem;

namespace sterna::cli {
namespace {

class ModelAnswerer : public Answerer {
 public:
  ModelAnswerer(Model model, Sight sight) : model_(std::move(model)), sight_(sight) {}

  const fs::path& path() const override { return model_.path(); }
  bool hears() const override { return true; }
  bool knows() const override { return true; }
  bool generates() const override { return model_.generates(); }
  bool points() const override { return true; }
  void see(const vision::ImageView& picture, Scene& scene, Session& session) const override {
    model_.see(picture, scene, session, sight_);
  }
  AnswerTable encode(const std::vector<std::string>& answers, Session& session) const override {
    return model_.encode(answers, session);
  }
  Answer answer(const Scene& scene, const std::string& question, const AnswerTable* choices,
                size_t top, Session& session) const override {
    Answer out;
    model_.answer(scene, question, choices, top, out, session);
    return out;
  }
  Answer write(const Scene& scene, const std::string& question, size_t top,
               Session& session) const override {
    Answer out;
    model_.generate(scene, question, top, out, session);
    return out;
  }
  void support(const Scene& scene, const std::string& question, const std::string& answer,
               Support& out, Session& session) const override {
    model_.support(scene, question, answer, out, session);
  }
  bool hears_whole(const std::string& question) const override {
    return model_.reads_whole(question);
  }
  std::string caption_question() const override { return std::string(model_.caption_question()); }

 private:
  Model model_;
  Sight sight_;
};

/// With a predictor the scene holds the tower's tokens, of two towers the picture's embedding.
class CheckpointAnswerer : public Answerer {
 public:
  explicit CheckpointAnswerer(CheckpointModel model) : model_(std::move(model)) {
    model_.expect_pictures();
    model_.expect_texts();
  }

  const fs::path& path() const override { return model_.path(); }
  bool hears() const override { return model_.predicts(); }
  bool knows() const override { return false; }
  bool generates() const override { return false; }
  bool points() const override { return false; }
  void see(const vision::ImageView& picture, Scene& scene, Session& session) const override {
    if (hears()) return model_.see(picture, scene, session);
    scene.tokens = 1;
    scene.features.resize(model_.dim());
    model_.embed(picture, scene.features, session);
  }
  AnswerTable encode(const std::vector<std::string>& answers, Session& session) const override {
    return model_.encode(answers, session);
  }
  Answer answer(const Scene& scene, const std::string& question, const AnswerTable* choices,
                size_t top, Session& session) const override {
    if (choices == nullptr) lacks("answers of its own; choices are needed");
    if (hears()) return model_.answer(scene, question, *choices, top, session);
    Answer out;
    model_.decode(scene.features, *choices, top, out, session);
    return out;
  }
  Answer write(const Scene&, const std::string&, size_t, Session&) const override {
    lacks("generator to write answers with");
  }
  void support(const Scene&, const std::string&, const std::string&, Support&,
               Session&) const override {
    lacks("places that an answer could be traced to");
  }
  bool hears_whole(const std::string& question) const override {
    return !hears() || model_.hears_whole(question);
  }
  std::string caption_question() const override { lacks("generator to write captions with"); }

 private:
  [[noreturn]] void lacks(const std::string& what) const {
    throw Error(path().string() + ": the checkpoint has no " + what);
  }

  CheckpointModel model_;
};

}  // namespace

std::unique_ptr<Answerer> open_answerer(const fs::path& path, const Common& common) {
  if (is_checkpoint(path)) {
    if (!common.writer.empty())
      throw Error(path.string() + ": a checkpoint has no prefix for the --writer to write with");
    return std::make_unique<CheckpointAnswerer>(CheckpointModel::open(path, {.isa = common.isa}));
  }
  return std::make_unique<ModelAnswerer>(
      Model::open(path, {.isa = common.isa, .writer = common.writer, .threads = common.threads}),
      common.sight);
}

std::unique_ptr<Answerer> open_answerer(const Common& common) {
  return open_answerer(find_model(common.model), common);
}

}  // namespace sterna::cli
