#include "cli/embedder.h"

#include <sterna/models/checkpoint_model.h>
#include <sterna/models/model.h>

#include <filesystem>
#include <utility>

#include "cli/model_path.h"
#include "cli/sha256.h"

namespace fs = std::filesystem;

namespace sterna::cli {
namespace {

class ModelEmbedder : public Embedder {
 public:
  explicit ModelEmbedder(Model model) : model_(std::move(model)) {}

  size_t dim() const override { return model_.dim(); }
  void expect(Input) const override {}
  void embed(const vision::ImageView& picture, Worker& worker,
             std::span<float> out) const override {
    model_.see(picture, worker.scene, worker.session);
    model_.embed(worker.scene, out, worker.session);
  }
  void embed(const std::string& text, Worker& worker, std::span<float> out) const override {
    model_.embed(text, out, worker.session);
  }
  bool reads_whole(const std::string& text) const override { return model_.reads_whole(text); }
  std::string digest() const override { return hex(sha256_file(model_.path().string())); }

 private:
  Model model_;
};

class CheckpointEmbedder : public Embedder {
 public:
  explicit CheckpointEmbedder(CheckpointModel model) : model_(std::move(model)) {}

  size_t dim() const override { return model_.dim(); }
  void expect(Input input) const override {
    input == Input::pictures ? model_.expect_pictures() : model_.expect_texts();
  }
  void embed(const vision::ImageView& picture, Worker& worker,
             std::span<float> out) const override {
    model_.embed(picture, out, worker.session);
  }
  void embed(const std::string& text, Worker& worker, std::span<float> out) const override {
    model_.embed(text, out, worker.session);
  }
  bool reads_whole(const std::string& text) const override { return model_.reads_whole(text); }
  /// Of a line "NAME HASH" a file.
  std::string digest() const override {
    std::string lines;
    for (const fs::path& file : model_.files()) {
      lines += file.lexically_relative(model_.path()).generic_string() + " " +
               hex(sha256_file(file.string())) + "\n";
    }
    return hex(sha256(lines));
  }

 private:
  CheckpointModel model_;
};

}  // namespace

std::unique_ptr<Embedder> open_embedder(const Common& common, Embedder::Input input) {
  const fs::path path = find_model(common.model);
  std::unique_ptr<Embedder> embedder;
  if (is_checkpoint(path)) {
    embedder =
        std::make_unique<CheckpointEmbedder>(CheckpointModel::open(path, {.isa = common.isa}));
  } else {
    embedder = std::make_unique<ModelEmbedder>(Model::open(path, {.isa = common.isa}));
  }
  embedder->expect(input);
  return embedder;
}

}  // namespace sterna::cli
