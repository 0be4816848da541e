#include "watch/open_model.h"

#include <sterna/models/checkpoint_model.h>
#include <sterna/models/model.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <memory>
#include <numeric>
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
      : model(CheckpointModel::open(path, {.isa = common.isa})), session(common.threads) {
    model.expect_pictures();
    if (!wishes.prompt.empty()) {
      throw UsageError("--prompt: " + path.string() +
                       " is a checkpoint, which answers no questions");
    }
    if (!wishes.answers) return;
    try {
      model.expect_texts();
    } catch (const Error& e) {
      throw UsageError("--" + wishes.answers_option + ": " + e.what());
    }
    table.texts = *wishes.answers;
    table.embeddings.resize(table.texts.size() * model.dim());
    for (size_t i = 0; i < table.texts.size(); ++i)
      model.embed(std::string_view(table.texts[i]), row(i), session);
    scores.resize(table.texts.size());
  }

  std::span<float> row(size_t i) {
    return std::span(table.embeddings).subspan(i * model.dim(), model.dim());
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
    model.embed(std::span<const vision::Clip>(frames), out, session);
  }

  void decode(std::span<const float> embedding, std::string& text, double& confidence) {
    text.clear();
    confidence = 0;
    if (scores.empty()) return;
    for (size_t i = 0; i < scores.size(); ++i) {
      const auto answer = row(i);
      scores[i] = static_cast<float>(
          std::inner_product(answer.begin(), answer.end(), embedding.begin(), 0.0));
    }
    const size_t best =
        static_cast<size_t>(std::ranges::max_element(scores) - scores.begin());
    model.score(scores);
    text = table.texts[best];
    confidence = static_cast<double>(scores[best]);
  }

  CheckpointModel model;
  Session session;
  AnswerTable table;          // no rows: there are no words
  std::vector<float> scores;  // [answers]
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
    foreign->model.embed(picture, to, foreign->session);
  };
  out.decode = [foreign](auto embedding, auto& text, auto& confidence) {
    foreign->decode(embedding, text, confidence);
  };
  out.decode_flops = decode_flops(foreign->scores.size(), out.dim);
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
