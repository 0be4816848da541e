#include "sterna/models/check.h"

#include <sterna/nn/pool.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "golden.h"
#include "text.h"
#include "towers.h"

namespace sterna::models {
namespace {

constexpr std::array kInputs = {"pixels",     "pixel_values",   "pixel_values_videos",
                                "input_ids",  "attention_mask", "query_ids",
                                "query_mask", "target_ids",     "target_mask"};

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

/// Appends a row to a [B, d] tensor.
void append(Found& rows, std::span<const float> row) {
  rows.shape = {rows.shape.empty() ? 1 : rows.shape[0] + 1, row.size()};
  rows.values.insert(rows.values.end(), row.begin(), row.end());
}

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

/// The row of text i's tokens that stands for it.
size_t Runner::pooled_row(const TextPart& part, const TextBatch& batch, size_t i) const {
  const size_t first = batch.starts[i], last = batch.starts[i + 1];
  const auto begin = batch.ids.begin() + static_cast<std::ptrdiff_t>(first);
  const auto end = batch.ids.begin() + static_cast<std::ptrdiff_t>(last);
  size_t row = first;
  if (part.pool == TextPart::Pool::last) row = last - 1;
  if (part.pool == TextPart::Pool::end) {
    const auto found = part.end ? std::find(begin, end, *part.end) : std::max_element(begin, end);
    row = found == end ? first : static_cast<size_t>(found - batch.ids.begin());
  }
  // SigLIP reads its last place even where that is padding, whose state is not computed here.
  if (part.pool == TextPart::Pool::last && batch.positions[row] + 1 != batch.length) {
    throw Error(golden_.file() + ": attention_mask: expected the last token to be seen, as it is " +
                "the one that is pooled");
  }
  return row;
}

const Runner::Text& Runner::text(std::string_view ids, std::string_view mask) {
  if (text_) return *text_;
  const TextPart& part = *model_.text;
  const TextBatch batch = golden_.texts(ids, mask);
  const size_t d = part.tower.width();
  std::vector<float> hidden(batch.ids.size() * d);
  const nn::Mat<float> states(hidden.data(), batch.ids.size(), d);
  part.tower.forward(batch.ids, batch.sequences(), states, session_.executor, session_.workspace);

  Text& out = text_.emplace();
  out.tokens.shape = {batch.texts, batch.length, d};
  out.tokens.values.resize(batch.seen.size() * d);
  out.tokens.rows = batch.seen;
  for (size_t i = 0, row = 0; i < batch.seen.size(); ++i) {
    if (batch.seen[i]) std::copy_n(states.row(row++), d, &out.tokens.values[i * d]);
  }
  for (size_t i = 0; i < batch.texts; ++i) {
    const size_t first = batch.starts[i], n = batch.starts[i + 1] - first;
    std::vector<float> one(d);
    if (part.pool == TextPart::Pool::mean) {
      nn::mean_rows(nn::Mat<const float>(states.data + first * d, n, d), one.data());
    } else if (n != 0) {
      std::copy_n(states.row(pooled_row(part, batch, i)), d, one.data());
    }
    const auto pooled = part.head.pooled(one, session_.executor, session_.workspace, isa_);
    append(out.pooled, pooled);
    append(out.embedding, part.head.embedding(pooled, session_.executor, session_.workspace));
  }
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
    const size_t first = query.starts[i], count = query.starts[i + 1] - first;
    model_.predictor->forward({&tokens.values[i * n * d], n, d},
                              std::span(query.ids).subspan(first, count),
                              std::span(query.positions).subspan(first, count), row,
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
  throw Error(golden_.file() + ": tensor " + in_quotes(output) +
              ": expected an input or an output of this model, found another name");
}

}  // namespace

std::vector<Agreement> check(const std::filesystem::path& folder,
                             const std::filesystem::path& golden_file, Session& session,
                             quant::Isa isa) {
  const FolderModel model = open_folder(folder, isa);
  const Golden golden(golden_file);
  std::vector<std::string> outputs;
  for (const SafeTensor& tensor : golden.tensors()) {
    if (std::find(kInputs.begin(), kInputs.end(), tensor.name) == kInputs.end())
      outputs.push_back(tensor.name);
  }
  if (outputs.empty()) throw Error(golden.file() + ": expected outputs to compare, found none");
  std::sort(outputs.begin(), outputs.end());
  Runner runner(model, golden, session, isa);
  std::vector<Agreement> all;
  for (const std::string& output : outputs) {
    try {
      all.push_back(golden.compare(output, runner.run(output)));
    } catch (const Error& e) {
      const std::string what = e.what();
      if (what.starts_with(golden.file()) || what.starts_with(folder.string())) throw;
      throw Error(golden.file() + ": " + what);  // a module that was given what doesn't fit
    }
  }
  return all;
}

}  // namespace sterna::models
