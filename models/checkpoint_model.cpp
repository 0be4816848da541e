#include <sterna/models/checkpoint_model.h>
#include <sterna/nn/unit.h>
#include <sterna/quant/error.h>
#include <sterna/vision/image_processor.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "image_processor_config.h"
#include "towers.h"

namespace fs = std::filesystem;

namespace sterna {

using models::FolderModel;
using models::VisionPart;

struct CheckpointModel::Impl {
  Impl(const fs::path& folder, const Options& options)
      : path(folder), isa(options.isa), model(models::open_folder(folder, isa, options.blocks)) {
    bind_pictures();
  }

  void bind_pictures();
  void see(const vision::ImageView& picture, std::span<float> out, Session& session) const;

  fs::path path;
  quant::Isa isa;
  FolderModel model;
  size_t dim = 0;
  std::optional<vision::ImageProcessor> processor;
  std::string unseeing;  // why there is no processor
};

void CheckpointModel::Impl::bind_pictures() {
  dim = model.vision ? embedding_width(*model.vision) : embedding_width(*model.text);
  if (model.kind == FolderModel::Kind::vljepa) {
    unseeing = path.string() +
               ": expected a model that embeds pictures, found one whose predictor wants a question";
    return;
  }
  if (!model.vision) {
    unseeing = path.string() + ": expected a vision tower, found a text tower alone";
    return;
  }
  if (model.text && embedding_width(*model.text) != dim) {
    throw Error(path.string() + ": expected embeddings of pictures and texts of one width, found " +
                std::to_string(dim) + " and " + std::to_string(embedding_width(*model.text)));
  }
  const bool clips = model.vision->input == VisionPart::Input::clips;
  const std::string type =
      models::Config::read(path / "config.json").string("model_type", "");
  if (!models::has_image_processor(path, clips)) {
    unseeing = path.string() + ": expected " + models::image_processor_files(clips) +
               ", which says how pictures are resized and normalised, found none";
    return;
  }
  processor.emplace(models::read_image_processor(path, type, clips));
}

void CheckpointModel::Impl::see(const vision::ImageView& picture, std::span<float> out,
                                Session& session) const {
  nn::Workspace& workspace = session.workspace;
  const nn::Workspace::Frame frame(workspace);
  const VisionPart& part = *model.vision;
  const vision::Sides sides = processor->sides({picture.width, picture.height});
  const size_t numbers = 3 * sides.width * sides.height;
  const auto pixels = workspace.mat<float>(1, numbers);
  processor->forward(picture, {pixels.data, numbers}, workspace, &session.executor, isa);
  const vision::Clip clip{pixels.data, 1, sides.height, sides.width};
  const auto tokens = workspace.mat<float>(part.vit.tokens(clip), part.vit.width());
  part.vit.forward(clip, tokens, session.executor, workspace);
  const auto pooled = pool_picture(part, tokens, session.executor, workspace, isa);
  const auto embedding = follow(part.head.embedding, pooled, session.executor, workspace, isa);
  std::copy(embedding.begin(), embedding.end(), out.begin());
  nn::l2_normalize(out.data(), out.size());
}

CheckpointModel::CheckpointModel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CheckpointModel::CheckpointModel(CheckpointModel&&) noexcept = default;
CheckpointModel& CheckpointModel::operator=(CheckpointModel&&) noexcept = default;
CheckpointModel::~CheckpointModel() = default;

CheckpointModel CheckpointModel::open(const fs::path& folder, const Options& options) {
  return CheckpointModel(std::make_unique<Impl>(folder, options));
}
CheckpointModel CheckpointModel::open(const fs::path& folder) { return open(folder, Options{}); }

size_t CheckpointModel::dim() const { return impl_->dim; }
const fs::path& CheckpointModel::path() const { return impl_->path; }

void CheckpointModel::expect_pictures() const {
  if (!impl_->processor) throw Error(impl_->unseeing);
}

void CheckpointModel::embed(const vision::ImageView& picture, std::span<float> out,
                            Session& session) const {
  expect_pictures();
  if (out.size() != dim()) {
    throw Error("embedding: expected room for " + std::to_string(dim()) + " floats, found " +
                std::to_string(out.size()));
  }
  impl_->see(picture, out, session);
}

std::vector<fs::path> CheckpointModel::files() const {
  std::vector<fs::path> list;
  for (const auto& entry : fs::recursive_directory_iterator(impl_->path)) {
    const fs::path extension = entry.path().extension();
    if (entry.is_regular_file() && (extension == ".json" || extension == ".safetensors"))
      list.push_back(entry.path());
  }
  std::sort(list.begin(), list.end());
  return list;
}

}  // namespace sterna
