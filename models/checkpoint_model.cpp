#include <sterna/nn/unit.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "checkpoint_impl.h"
#include "text.h"
#include "image_processor_config.h"

namespace fs = std::filesystem;

namespace sterna {

using models::FolderModel;
using models::VisionPart;

CheckpointModel::Impl::Impl(const fs::path& at, const Options& options)
    : path(at),
      source(models::Source::open(at)),
      isa(options.isa),
      model(models::open_source(source, {.isa = isa, .blocks = options.blocks})) {
  dim = predicts() || !model.vision ? embedding_width(*model.text) : embedding_width(*model.vision);
  bind_pictures();
  bind_texts();
  if (predicts()) bind_questions();
}

namespace {

/// The model_type of a folder's config.json, "" where there is none: modules.json names others.
std::string model_type(const models::Source& source) {
  return source.has("config.json") ? source.config("config.json").string("model_type", "") : "";
}

}  // namespace

void CheckpointModel::Impl::bind_pictures() {
  if (!model.vision) {
    unseeing = path.string() + ": expected a vision tower, found a text tower alone";
    return;
  }
  if (!predicts() && model.text && embedding_width(*model.text) != dim) {
    throw Error(path.string() + ": expected embeddings of pictures and texts of one width, found " +
                std::to_string(dim) + " and " + std::to_string(embedding_width(*model.text)));
  }
  const models::Source at = predicts() ? models::vision_source(source) : source;
  if (!models::has_image_processor(at, reads_clips())) {
    unseeing = at.name() + ": expected " + models::image_processor_files(reads_clips()) +
               ", which says how pictures are resized and normalised, found none";
    return;
  }
  const std::string type = reads_clips() ? "vjepa2" : model_type(at);
  processor.emplace(models::read_image_processor(at, type, reads_clips()));
}

void CheckpointModel::Impl::bind_texts() {
  if (!model.text) {
    unreading = path.string() + ": expected a text tower, found a vision tower alone";
    return;
  }
  const models::Source at = predicts() ? models::text_source(source) : source;
  if (!models::has_tokenizer(at)) {
    unreading = at.name() + ": expected tokenizer.json, which makes words to ids, found none";
    return;
  }
  texts.emplace(models::read_text_input(at, model.text->tower.longest(), model_type(at)));
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
  models::check_embedding(path.native(), out);
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
  models::check_embedding(path.native(), out);
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

size_t plane(const vision::Sides& sides) { return 3 * sides.width * sides.height; }

}  // namespace

vision::Clip CheckpointModel::Impl::prepared(const vision::ImageView& picture,
                                             Session& session) const {
  const vision::Sides sides = processor->sides({picture.width, picture.height});
  const std::span pixels(session.workspace.mat<float>(1, plane(sides)).data, plane(sides));
  processor->forward(picture, pixels, session.workspace, &session.executor, isa);
  return {pixels.data(), 1, sides.height, sides.width};
}

std::span<const vision::Clip> CheckpointModel::Impl::prepared(
    std::span<const vision::ImageView> frames, Session& session) const {
  const auto clips = session.workspace.array<vision::Clip>(frames.size());
  for (size_t i = 0; i < frames.size(); ++i) clips[i] = prepared(frames[i], session);
  return clips;
}

void CheckpointModel::Impl::expect_frames(size_t n) const {
  if (!processor) throw Error(unseeing);
  if (n == 0) throw Error("clip: expected frames, found none");
}

void CheckpointModel::Impl::expect_singles(std::span<const vision::Clip> frames) const {
  expect_frames(frames.size());
  for (const vision::Clip& one : frames) {
    if (one.frames != 1) {
      throw Error("clip: expected views of one frame, found " + std::to_string(one.frames));
    }
  }
}

vision::Clip CheckpointModel::Impl::joined(std::span<const vision::Clip> frames,
                                           nn::Workspace& workspace) const {
  if (frames.size() == 1) return frames[0];
  const size_t height = frames[0].height, width = frames[0].width, n = 3 * height * width;
  float* all = workspace.mat<float>(frames.size(), n).data;
  for (size_t i = 0; i < frames.size(); ++i) {
    if (frames[i].height != height || frames[i].width != width) {
      throw Error("clip: expected frames of one size, found " + std::to_string(width) + " x " +
                  std::to_string(height) + " and " + std::to_string(frames[i].width) + " x " +
                  std::to_string(frames[i].height));
    }
    std::copy_n(frames[i].data, n, all + i * n);
  }
  return {all, frames.size(), height, width};
}

void CheckpointModel::Impl::embed(std::span<const vision::Clip> frames, std::span<float> out,
                                  Session& session) const {
  const nn::Workspace::Frame frame(session.workspace);
  if (predicts()) return predict(look(frames, kAll, session), embedding_question_ids, out, session);
  if (reads_clips() || frames.size() == 1)
    return see(joined(frames, session.workspace), out, session);
  average(frames.size(), out, session,
          [&](size_t i, std::span<float> one) { see(frames[i], one, session); });
}

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
  if (impl_->predicts()) expect_questions();
}

void CheckpointModel::embed(const vision::ImageView& picture, std::span<float> out,
                            Session& session) const {
  embed(std::span(&picture, 1), out, session);
}

void CheckpointModel::embed(std::span<const vision::ImageView> frames, std::span<float> out,
                            Session& session) const {
  expect_pictures();
  impl_->check(out);
  impl_->expect_frames(frames.size());
  const nn::Workspace::Frame frame(session.workspace);
  if (impl_->reads_clips() || impl_->predicts() || frames.size() == 1)
    return impl_->embed(impl_->prepared(frames, session), out, session);
  impl_->average(frames.size(), out, session, [&](size_t i, std::span<float> one) {
    embed(frames[i], one, session);  // frame by frame: memory for one, however many there are
  });
}

void CheckpointModel::embed(std::span<const vision::Clip> frames, std::span<float> out,
                            Session& session) const {
  expect_pictures();
  impl_->check(out);
  impl_->expect_singles(frames);
  impl_->embed(frames, out, session);
}

size_t CheckpointModel::frames_per_clip() const {
  return impl_->processor && impl_->reads_clips() ? impl_->model.vision->frames : 0;
}

vision::Sides CheckpointModel::prepared(const vision::ImageView& picture) const {
  impl_->expect_frames(1);
  return impl_->processor->sides({picture.width, picture.height});
}

void CheckpointModel::prepare(const vision::ImageView& picture, std::span<float> out,
                              Session& session) const {
  impl_->expect_frames(1);
  impl_->processor->forward(picture, out, session.workspace, &session.executor, impl_->isa);
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
