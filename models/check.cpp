#include "sterna/models/check.h"

#include <sterna/nn/pool.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <map>
#include <utility>

#include "golden.h"
#include "towers.h"

namespace sterna::models {
namespace {

/// Runs the towers of a folder's model on a golden file's inputs.
class Runner {
 public:
  Runner(const FolderModel& model, const Golden& golden, Session& session, quant::Isa isa)
      : model_(model), golden_(golden), session_(session), isa_(isa) {}

  /// The output of that name; throws if this model has no such output.
  Found run(const std::string& output);

 private:
  struct Vision {
    Found tokens, pooled, embedding;
  };
  using Text = Vision;

  const Vision& vision(bool one_frame);
  const Text& text(std::string_view ids, std::string_view mask);
  Found predicted();
  std::vector<float> pool(const VisionPart& part, nn::Mat<const float> tokens);
  size_t pooled_row(const TextPart& part, const TextBatch& batch, size_t i) const;

  const FolderModel& model_;
  const Golden& golden_;
  Session& session_;
  quant::Isa isa_;
  std::map<bool, Vision> vision_;  // of all frames, and of the first one
  std::optional<Text> text_;
};

std::vector<float> Runner::pool(const VisionPart& part, nn::Mat<const float> tokens) {
  const size_t d = tokens.cols;
  if (part.pool == VisionPart::Pool::none) return {};
  std::vector<float> one(tokens.data, tokens.data + d);
  if (part.attention) {
    part.attention->forward(tokens, one, session_.executor, session_.workspace, isa_);
  }
  return part.head.pooled(one, session_.executor, session_.workspace, isa_);
}

const Runner::Vision& Runner::vision(bool one_frame) {
  const auto [at, fresh] = vision_.try_emplace(one_frame);
  Vision& out = at->second;
  if (!fresh) return out;
  const VisionPart& part = *model_.vision;
  const bool whole = model_.kind == FolderModel::Kind::vljepa;
  const PixelBatch batch = golden_.pixels(whole        ? "pixels"
                                          : part.video ? "pixel_values_videos"
                                                       : "pixel_values",
                                          part.video);
  const size_t d = part.vit.width();
  for (size_t i = 0; i < batch.clips; ++i) {
    const vision::Clip clip{&batch.values[i * batch.clip_size()], one_frame ? 1 : batch.frames,
                            batch.height, batch.width};
    const size_t n = part.vit.tokens(clip);
    out.tokens.shape = {batch.clips, n, d};
    out.tokens.values.resize((i + 1) * n * d);
    const nn::Mat<float> tokens(&out.tokens.values[i * n * d], n, d);
    part.vit.forward(clip, tokens, session_.executor, session_.workspace);
    const std::vector<float> pooled = pool(part, tokens);
    if (pooled.empty()) continue;
    append(out.pooled, pooled);
    append(out.embedding, part.head.embedding(pooled, session_.executor, session_.workspace));
  }
  return out;
}

/// The row of text i's tokens that stands for it, hidden or not: as the reference does.
size_t Runner::pooled_row(const TextPart& part, const TextBatch& batch, size_t i) const {
  const size_t first = batch.starts[i], last = batch.starts[i + 1];
  if (part.pool == TextPart::Pool::last) return last - 1;
  if (part.pool != TextPart::Pool::end) return first;
  const auto begin = batch.ids.begin() + static_cast<std::ptrdiff_t>(first);
  const auto end = batch.ids.begin() + static_cast<std::ptrdiff_t>(last);
  const auto found = part.end ? std::find(begin, end, *part.end) : std::max_element(begin, end);
  return found == end ? first : static_cast<size_t>(found - batch.ids.begin());
}

const Runner::Text& Runner::text(std::string_view ids, std::string_view mask) {
  if (text_) return *text_;
  const TextPart& part = *model_.text;
  const TextBatch batch = golden_.texts(ids, mask);
  const size_t d = part.tower.width(), t = batch.ids.size();
  std::vector<float> hidden(t * d);
  const nn::Mat<float> states(hidden.data(), t, d);
  part.tower.forward(batch.ids, batch.sequences(), states, session_.executor, session_.workspace);

  Text& out = text_.emplace();
  for (size_t i = 0; i < batch.texts; ++i) {
    std::vector<float> one(d);
    if (part.pool == TextPart::Pool::mean) {
      std::vector<float> seen;
      for (size_t row = batch.starts[i]; row < batch.starts[i + 1]; ++row) {
        if (batch.hidden[row] == 0) seen.insert(seen.end(), states.row(row), states.row(row) + d);
      }
      nn::mean_rows(nn::Mat<const float>(seen.data(), seen.size() / d, d), one.data());
    } else {
      std::copy_n(states.row(pooled_row(part, batch, i)), d, one.data());
    }
    const auto pooled = part.head.pooled(one, session_.executor, session_.workspace, isa_);
    append(out.pooled, pooled);
    append(out.embedding, part.head.embedding(pooled, session_.executor, session_.workspace));
  }
  out.tokens = {{batch.texts, batch.length, d}, std::move(hidden), {}};
  for (const uint8_t flag : batch.hidden) out.tokens.rows.push_back(flag == 0);
  return out;
}

Found Runner::predicted() {
  const Found& tokens = vision(false).tokens;
  const TextBatch query = golden_.texts("query_ids", "query_mask");
  const size_t clips = tokens.shape[0], n = tokens.shape[1], d = tokens.shape[2];
  if (query.texts != clips) {
    throw Error(golden_.file() + ": tensor \"query_ids\": expected " + std::to_string(clips) +
                " texts, one a clip, found " + std::to_string(query.texts));
  }
  Found out;
  std::vector<float> row(model_.predictor->dim());
  for (size_t i = 0; i < clips; ++i) {
    std::vector<uint32_t> seen, places;  // no token is pooled that is hidden
    for (size_t j = query.starts[i]; j < query.starts[i + 1]; ++j) {
      if (query.hidden[j] != 0) continue;
      seen.push_back(query.ids[j]);
      places.push_back(query.positions[j]);
    }
    model_.predictor->forward({&tokens.values[i * n * d], n, d}, seen, places, row,
                              session_.executor, session_.workspace);
    append(out, row);
  }
  return out;
}

Found Runner::run(const std::string& output) {
  using Kind = FolderModel::Kind;
  const Kind kind = model_.kind;
  if (kind == Kind::vljepa) {
    if (output == "vision_tokens") return vision(false).tokens;
    if (output == "vision_tokens_one_frame") return vision(true).tokens;
    if (output == "predicted") return predicted();
    if (output == "target") return text("target_ids", "target_mask").embedding;
  } else if (model_.vision && (output == "image_embeds" || !model_.text)) {
    const auto& part = *model_.vision;
    if (output == "last_hidden_state") return vision(false).tokens;
    const bool pools = part.pool != VisionPart::Pool::none;
    if (output == "pooled" && pools) return vision(false).pooled;
    if (output == "image_embeds" && pools) return vision(false).embedding;
  } else if (model_.text) {
    const auto& out = [&]() -> const Text& { return text("input_ids", "attention_mask"); };
    if (output == "last_hidden_state" && kind == Kind::single) return out().tokens;
    if (output == "pooled" && kind == Kind::single) return out().pooled;
    if (output == "text_embeds") return out().embedding;
  }
  golden_.no_output(output);
}

}  // namespace

std::vector<Agreement> check(const std::filesystem::path& path, const std::filesystem::path& file,
                             Session& session, const CheckOptions& options) {
  if (!std::filesystem::is_directory(path))
    return check_gguf(path, Golden(file), session, options.isa);
  const FolderModel model = open_folder(path, options.isa, options.weights);
  const Golden golden(file);
  Runner runner(model, golden, session, options.isa);
  return golden.compare_all(path.string(),
                            [&](const std::string& output) { return runner.run(output); });
}

}  // namespace sterna::models
