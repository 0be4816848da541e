#include <sterna/models/checkpoint_model.h>
#include <sterna/nn/unit.h>
#include <sterna/quant/error.h>
#include <sterna/vision/image_processor.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "image_processor_config.h"
#include "text_input.h"
#include "towers.h"

namespace fs = std::filesystem;

namespace sterna {

using models::FolderModel;
using models::VisionPart;

struct CheckpointModel::Impl {
  Impl(const fs::path& at, const Options& options)
      : path(at),
        source(models::Source::open(at)),
        isa(options.isa),
        model(models::open_source(source, {.isa = isa, .blocks = options.blocks})) {
    dim = model.vision ? embedding_width(*model.vision) : embedding_width(*model.text);
    bind_pictures();
    bind_texts();
  }

  void bind_pictures();
  void bind_texts();
  void check(std::span<const float> out) const;
  bool reads_clips() const { return model.vision->input == VisionPart::Input::clips; }
  void see(const vision::Clip& clip, std::span<float> out, Session& session) const;
  /// The direction of the mean of what `embed_frame(i, out)` makes of each of n frames.
  template <class F>
  void average(size_t n, std::span<float> out, Session& session, F&& embed_frame) const;
  void read(std::string_view text, std::span<float> out, Session& session) const;

  fs::path path;
  models::Source source;
  quant::Isa isa;
  FolderModel model;
  size_t dim = 0;
  std::optional<vision::ImageProcessor> processor;
  std::string unseeing;  // why there is none
  std::optional<models::TextInput> texts;
  std::string unreading;  // why there is none
};

void CheckpointModel::Impl::bind_pictures() {
  if (model.kind == FolderModel::Kind::vljepa) {
    unseeing = path.string() + ": expected a model that embeds pictures, found one whose "
                               "predictor wants a question";
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
  const std::string type = source.config("config.json").string("model_type", "");
  if (!models::has_image_processor(source, clips)) {
    unseeing = path.string() + ": expected " + models::image_processor_files(clips) +
               ", which says how pictures are resized and normalised, found none";
    return;
  }
  processor.emplace(models::read_image_processor(source, type, clips));
}

void CheckpointModel::Impl::bind_texts() {
  if (model.kind == FolderModel::Kind::vljepa) {
    unreading = path.string() +
                ": expected a model that embeds texts, found one whose predictor wants a picture";
    return;
  }
  if (!model.text) {
    unreading = path.string() + ": expected a text tower, found a vision tower alone";
    return;
  }
  if (!models::has_tokenizer(source)) {
    unreading = path.string() + ": expected tokenizer.json, which makes words to ids, found none";
    return;
  }
  // config.json is not there where modules.json names folders.
  const std::string type =
      source.has("config.json") ? source.config("config.json").string("model_type", "") : "";
  texts.emplace(models::read_text_input(source, *model.text, type));
}

void CheckpointModel::Impl::check(std::span<const float> out) const {
  if (out.size() == dim) return;
  throw Error("embedding: expected room for " + std::to_string(dim) + " floats, found " +
              std::to_string(out.size()));
}

void CheckpointModel::Impl::read(std::string_view text, std::span<float> out,
                                 Session& session) const {
  nn::Workspace& workspace = session.workspace;
  const nn::Workspace::Frame frame(workspace);
  const models::TextPart& part = *model.text;
  const auto [ids, hidden] = texts->read(text);
  const size_t n = ids.size();
  if (n == 0) throw Error("the text is empty: the tokenizer gives no ids for it");
  const auto starts = workspace.mat<uint32_t>(1, 2), positions = workspace.mat<uint32_t>(1, n);
  starts.data[0] = 0;
  starts.data[1] = static_cast<uint32_t>(n);
  std::iota(positions.data, positions.data + n, 0U);
  const auto states = workspace.mat<float>(n, part.tower.width());
  part.tower.forward(ids, {{starts.data, 2}, {positions.data, n}, hidden}, states,
                     session.executor, workspace);
  const auto pooled = follow(part.head.pooled, pool_text(part, states, ids, hidden),
                             session.executor, workspace, isa);
  const auto embedding = follow(part.head.embedding, pooled, session.executor, workspace, isa);
  std::copy(embedding.begin(), embedding.end(), out.begin());
  nn::l2_normalize(out.data(), out.size());
}

void CheckpointModel::Impl::see(const vision::Clip& clip, std::span<float> out,
                                Session& session) const {
  nn::Workspace& workspace = session.workspace;
  const nn::Workspace::Frame frame(workspace);
  const VisionPart& part = *model.vision;
  const auto tokens = workspace.mat<float>(part.vit.tokens(clip), part.vit.width());
  part.vit.forward(clip, tokens, session.executor, workspace);
  const auto pooled = pool_picture(part, tokens, session.executor, workspace, isa);
  const auto embedding = follow(part.head.embedding, pooled, session.executor, workspace, isa);
  std::copy(embedding.begin(), embedding.end(), out.begin());
  nn::l2_normalize(out.data(), out.size());
}

template <class F>
void CheckpointModel::Impl::average(size_t n, std::span<float> out, Session& session,
                                    F&& embed_frame) const {
  const nn::Workspace::Frame frame(session.workspace);
  const auto sum = session.workspace.array<double>(dim);  // zeros
  for (size_t i = 0; i < n; ++i) {
    embed_frame(i, out);
    for (size_t j = 0; j < dim; ++j) sum[j] += static_cast<double>(out[j]);
  }
  for (size_t j = 0; j < dim; ++j) out[j] = static_cast<float>(sum[j] / static_cast<double>(n));
  nn::l2_normalize(out.data(), out.size());
}

namespace {

constexpr const char* kNoFrames = "clip: expected frames, found none";

size_t plane(const vision::Sides& sides) { return 3 * sides.width * sides.height; }

}  // namespace

CheckpointModel::CheckpointModel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CheckpointModel::CheckpointModel(CheckpointModel&&) noexcept = default;
CheckpointModel& CheckpointModel::operator=(CheckpointModel&&) noexcept = default;
CheckpointModel::~CheckpointModel() = default;

CheckpointModel CheckpointModel::open(const fs::path& path, const Options& options) {
  return CheckpointModel(std::make_unique<Impl>(path, options));
}
CheckpointModel CheckpointModel::open(const fs::path& path) { return open(path, Options{}); }

size_t CheckpointModel::dim() const { return impl_->dim; }
const fs::path& CheckpointModel::path() const { return impl_->path; }

void CheckpointModel::expect_pictures() const {
  if (!impl_->processor) throw Error(impl_->unseeing);
}

void CheckpointModel::embed(const vision::ImageView& picture, std::span<float> out,
                            Session& session) const {
  expect_pictures();
  impl_->check(out);
  const nn::Workspace::Frame frame(session.workspace);
  const vision::Sides sides = prepared(picture);
  const std::span pixels(session.workspace.mat<float>(1, plane(sides)).data, plane(sides));
  prepare(picture, pixels, session);
  impl_->see({pixels.data(), 1, sides.height, sides.width}, out, session);
}

void CheckpointModel::embed(std::span<const vision::ImageView> frames, std::span<float> out,
                            Session& session) const {
  expect_pictures();
  impl_->check(out);
  if (frames.empty()) throw Error(kNoFrames);
  if (!impl_->reads_clips()) {
    return impl_->average(frames.size(), out, session, [&](size_t i, std::span<float> one) {
      embed(frames[i], one, session);
    });
  }
  nn::Workspace& workspace = session.workspace;
  const nn::Workspace::Frame frame(workspace);
  const auto prepared_frames = workspace.array<vision::Clip>(frames.size());
  for (size_t i = 0; i < frames.size(); ++i) {
    const vision::Sides sides = prepared(frames[i]);
    const std::span pixels(workspace.mat<float>(1, plane(sides)).data, plane(sides));
    prepare(frames[i], pixels, session);
    prepared_frames[i] = {pixels.data(), 1, sides.height, sides.width};
  }
  embed(std::span<const vision::Clip>(prepared_frames), out, session);
}

void CheckpointModel::embed(std::span<const vision::Clip> frames, std::span<float> out,
                            Session& session) const {
  expect_pictures();
  impl_->check(out);
  if (frames.empty()) throw Error(kNoFrames);
  const size_t height = frames[0].height, width = frames[0].width, n = 3 * height * width;
  for (const vision::Clip& one : frames) {
    if (one.frames != 1) {
      throw Error("clip: expected views of one frame, found " + std::to_string(one.frames));
    }
  }
  if (!impl_->reads_clips()) {
    return impl_->average(frames.size(), out, session, [&](size_t i, std::span<float> one) {
      impl_->see(frames[i], one, session);
    });
  }
  const nn::Workspace::Frame frame(session.workspace);
  float* all = session.workspace.mat<float>(frames.size(), n).data;
  for (size_t i = 0; i < frames.size(); ++i) {
    if (frames[i].height != height || frames[i].width != width) {
      throw Error("clip: expected frames of one size, found " + std::to_string(width) + " x " +
                  std::to_string(height) + " and " + std::to_string(frames[i].width) + " x " +
                  std::to_string(frames[i].height));
    }
    std::copy_n(frames[i].data, n, all + i * n);
  }
  impl_->see({all, frames.size(), height, width}, out, session);
}

size_t CheckpointModel::frames_per_clip() const {
  return impl_->processor && impl_->reads_clips() ? impl_->model.vision->frames : 0;
}

vision::Sides CheckpointModel::prepared(const vision::ImageView& picture) const {
  expect_pictures();
  return impl_->processor->sides({picture.width, picture.height});
}

void CheckpointModel::prepare(const vision::ImageView& picture, std::span<float> out,
                              Session& session) const {
  expect_pictures();
  impl_->processor->forward(picture, out, session.workspace, &session.executor, impl_->isa);
}

void CheckpointModel::score(std::span<float> cosines) const {
  if (!impl_->model.logits) {
    for (float& c : cosines) c = std::clamp(c, 0.0F, 1.0F);
    return;
  }
  models::score(*impl_->model.logits, cosines);
}

void CheckpointModel::expect_texts() const {
  if (!impl_->texts) throw Error(impl_->unreading);
}

void CheckpointModel::embed(std::string_view text, std::span<float> out, Session& session) const {
  expect_texts();
  impl_->check(out);
  impl_->read(text, out, session);
}

bool CheckpointModel::reads_whole(std::string_view text) const {
  expect_texts();
  return impl_->texts->reads_whole(text);
}

std::vector<fs::path> CheckpointModel::files() const {
  if (impl_->source.gguf()) return {impl_->path};
  std::vector<fs::path> list;
  for (const auto& entry : fs::recursive_directory_iterator(impl_->path)) {
    // Not what embed leaves beside its outputs, should they lie here.
    const std::string name = entry.path().filename().string();
    const bool counts = (name.ends_with(".json") && !name.ends_with(".meta.json")) ||
                        name.ends_with(".safetensors");
    if (counts && entry.is_regular_file()) list.push_back(entry.path());
  }
  std::sort(list.begin(), list.end());
  return list;
}

}  // namespace sterna
