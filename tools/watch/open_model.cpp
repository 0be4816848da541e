#include "watch/open_model.h"

#include <sterna/models/checkpoint_model.h>
#include <sterna/models/model.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "cli/error.h"
#include "cli/model_path.h"

namespace fs = std::filesystem;

namespace sterna::cli {
namespace {

constexpr double kClipSeconds = 2;
constexpr size_t kMostTrained = 16, kPooledFrames = 8;

/// A model file of Sterna's, and what its calls work in.
struct Own {
  Own(const fs::path& path, const Common& common, const WatchWishes& wishes)
      : model(Model::open(path, {.isa = common.isa})),
        session(common.threads),
        prompt(wishes.prompt) {
    if (wishes.answers) table = model.encode(*wishes.answers, session);
  }

  void embed(const vision::ImageView& picture, std::span<float> out) {
    model.see(picture, scene, session);
    if (prompt.empty())
      model.embed(scene, out, session);
    else
      model.predict(scene, prompt, out, session);
  }

  void decode(std::span<const float> embedding, std::string& text, double& confidence) {
    model.decode(embedding, table ? &*table : nullptr, 1, answer, session);
    text = answer.text;
    confidence = static_cast<double>(answer.confidence);
  }

  Model model;
  Session session;
  std::string prompt;
  std::optional<AnswerTable> table;
  Scene scene;
  Answer answer;
};

/// Somebody else's.
struct Foreign {
  Foreign(const fs::path& path, const Common& common, const WatchWishes& wishes)
      : model(CheckpointModel::open(path, {.isa = common.isa})),
        session(common.threads),
        prompt(wishes.prompt) {
    model.expect_pictures();
    const auto wished = [](const std::string& option, auto&& expect) {
      try {
        expect();
      } catch (const Error& e) {
        throw UsageError("--" + option + ": " + e.what());
      }
    };
    if (!prompt.empty()) wished("prompt", [&] { model.expect_questions(); });
    if (!wishes.answers) return;
    wished(wishes.answers_option, [&] { model.expect_texts(); });
    table = model.encode(*wishes.answers, session);
  }

  void embed(const vision::ImageView& picture, std::span<float> out) {
    if (prompt.empty()) return model.embed(picture, out, session);
    model.see(picture, scene, session);
    model.predict(scene, prompt, out, session);
  }

  void prepare(const vision::ImageView& picture, Shot& shot) {
    shot.sides = model.prepared(picture);
    shot.values.resize(3 * shot.sides.width * shot.sides.height);
    model.prepare(picture, shot.values, session);
  }

  void embed_clip(std::span<const SharedShot> shots, std::span<float> out) {
    frames.clear();
    for (const SharedShot& shot : shots)
      frames.push_back({shot->values.data(), 1, shot->sides.height, shot->sides.width});
    if (prompt.empty()) return model.embed(std::span<const vision::Clip>(frames), out, session);
    model.see(std::span<const vision::Clip>(frames), scene, session);
    model.predict(scene, prompt, out, session);
  }

  void decode(std::span<const float> embedding, std::string& text, double& confidence) {
    text.clear();
    confidence = 0;
    if (table.texts.empty()) return;
    model.decode(embedding, table, 1, answer, session);
    text = answer.text;
    confidence = static_cast<double>(answer.confidence);
  }

  CheckpointModel model;
  Session session;
  std::string prompt;
  AnswerTable table;  // no rows: there are no words
  Answer answer;
  Scene scene;
  std::vector<vision::Clip> frames;
};

/// Of one embedding with every answer: a product and a sum for each number.
uint64_t decode_flops(size_t answers, size_t dim) { return 2 * uint64_t{answers} * dim; }

}  // namespace

ClipShape clip_shape(const WatchWishes& wishes, size_t trained) {
  const std::optional<double> seconds = wishes.clip_seconds;
  const std::optional<size_t> frames = wishes.clip_frames;
  if (seconds && *seconds <= 0) {
    if (frames.value_or(1) == 1) return {};
    throw UsageError("--clip 0 embeds frames by themselves: expected no --clip-frames with it");
  }
  ClipShape shape{seconds.value_or(kClipSeconds), 1};
  if (frames)
    shape.frames = *frames;
  else if (trained > 0)
    shape.frames = std::min(trained, kMostTrained);
  else if (seconds)
    shape.frames = kPooledFrames;
  return shape;
}

WatchModel open_watch_model(const fs::path& path, const Common& common,
                            const WatchWishes& wishes) {
  WatchModel out;
  if (!is_checkpoint(path)) {
    const auto own = std::make_shared<Own>(path, common, wishes);
    out.dim = own->model.dim();
    out.embed = [own](const auto& picture, auto to) { own->embed(picture, to); };
    out.decode = [own](auto embedding, auto& text, auto& confidence) {
      own->decode(embedding, text, confidence);
    };
    out.decode_flops = decode_flops(
        own->table ? own->table->texts.size() : own->model.vocabulary().size(), out.dim);
    out.clips.shape = clip_shape(wishes, 0);
    return out;
  }
  const auto foreign = std::make_shared<Foreign>(path, common, wishes);
  out.dim = foreign->model.dim();
  out.embed = [foreign](const auto& picture, auto to) {
    foreign->embed(picture, to);
  };
  out.decode = [foreign](auto embedding, auto& text, auto& confidence) {
    foreign->decode(embedding, text, confidence);
  };
  out.decode_flops = decode_flops(foreign->table.texts.size(), out.dim);
  const size_t trained = foreign->model.frames_per_clip();
  out.clips.shape = clip_shape(wishes, trained);
  if (trained == 0) return out;
  out.clips.prepare = [foreign](const auto& picture, Shot& shot) {
    foreign->prepare(picture, shot);
  };
  out.clips.embed = [foreign](auto shots, auto to) { foreign->embed_clip(shots, to); };
  return out;
}

}  // namespace sterna::cli
