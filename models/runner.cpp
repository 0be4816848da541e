#include "runner.h"

#include <sterna/quant/error.h>

#include <charconv>
#include <numeric>
#include <utility>

namespace sterna::models {
namespace {

/// Appends the tokens [n, d] of each clip to `out` [B, N, d]; N = `length`, whose rest doesn't
/// count (of one clip), or n where it is 0. A tower of pictures sees the frames one by one.
void see_clips(const VisionPart& part, const vision::Clip& clips, size_t depth, size_t length,
               Session& session, Found& out) {
  vision::Clip each = clips;
  if (part.input != VisionPart::Input::clips) {
    each.frames = 1;
    each.count = clips.count * clips.frames;
  }
  const size_t rows = each.count * part.vit.tokens(each), d = part.vit.width();
  const size_t seen = rows / clips.count;
  length = length == 0 ? seen : length;
  const size_t begin = out.values.size();
  out.values.resize(begin + clips.count * length * d);
  const nn::Mat<float> tokens(&out.values[begin], rows, d);
  if (depth == nn::Transformer::kAll)
    part.vit.forward(each, tokens, session.executor, session.workspace);
  else
    part.vit.hidden(each, depth, tokens, session.executor, session.workspace);
  out.shape = {(out.shape.empty() ? 0 : out.shape[0]) + clips.count, length, d};
  if (seen == length && out.rows.empty()) return;
  out.rows.resize(begin / d, true);
  out.rows.resize(begin / d + seen, true);
  out.rows.resize(begin / d + length, false);
}

/// N of "hidden_states.N".
std::optional<size_t> depth_of(std::string_view output) {
  constexpr std::string_view kName = "hidden_states.";
  if (!output.starts_with(kName)) return {};
  output.remove_prefix(kName.size());
  size_t depth = 0;
  const auto [end, fault] = std::from_chars(output.data(), output.data() + output.size(), depth);
  if (fault != std::errc() || end != output.data() + output.size()) return {};
  return depth;
}

}  // namespace

/// Tokens [B, N, d] of the pictures behind `depth` blocks; kAll: the last hidden states.
Found Runner::see(bool one_frame, size_t depth) {
  const VisionPart& part = *model_.vision;
  PixelBatch batch;
  PatchBatch patches;
  std::vector<vision::Clip> clips;
  if (part.input == VisionPart::Input::patches && model_.kind != FolderModel::Kind::vljepa) {
    patches = golden_.patches(part.vit.patch_size());
    for (const auto& [height, width, values] : patches.pictures)
      clips.push_back({values.data(), 1, height, width});
  } else {
    const bool whole = model_.kind == FolderModel::Kind::vljepa;
    const bool video = part.input == VisionPart::Input::clips && !golden_.has("pixel_values");
    batch = golden_.pixels(whole   ? "pixels"
                           : video ? "pixel_values_videos"
                                   : "pixel_values",
                           whole || video);
    const vision::Clip all{batch.values.data(), batch.frames, batch.height, batch.width,
                           batch.clips};
    if (one_frame) {
      for (size_t i = 0; i < batch.clips; ++i)
        clips.push_back({&batch.values[i * batch.clip_size()], 1, batch.height, batch.width});
    } else {
      clips.push_back(all);
    }
  }
  Found out;
  for (const vision::Clip& one : clips) see_clips(part, one, depth, patches.length, session_, out);
  return out;
}

const Runner::Tower& Runner::vision(bool one_frame) {
  const auto [at, fresh] = vision_.try_emplace(one_frame);
  Tower& out = at->second;
  if (!fresh) return out;
  const VisionPart& part = *model_.vision;
  out.tokens = see(one_frame, nn::Transformer::kAll);
  if (part.pool == VisionPart::Pool::none && !model_.text) return out;
  const size_t n = out.tokens.shape[1], d = out.tokens.shape[2];
  for (size_t i = 0; i < out.tokens.shape[0]; ++i) {
    size_t seen = n;
    while (!out.tokens.rows.empty() && !out.tokens.rows[i * n + seen - 1]) --seen;
    const nn::Mat<const float> tokens(&out.tokens.values[i * n * d], seen, d);
    const nn::Workspace::Frame frame(session_.workspace);
    const auto pooled = pool_picture(part, tokens, session_.executor, session_.workspace, isa_);
    append(out.pooled, pooled);
    append(out.embedding,
           follow(part.head.embedding, pooled, session_.executor, session_.workspace, isa_));
  }
  return out;
}

/// States [B, L, d] behind `depth` blocks; kAll: the last hidden states. Hidden rows don't count.
Found Runner::read(const TextBatch& batch, size_t depth) {
  const language::TextTower& tower = model_.text->tower;
  Found out{{batch.texts, batch.length, tower.width()}, {}, {}};
  out.values.resize(batch.ids.size() * tower.width());
  const nn::Mat<float> states(out.values.data(), batch.ids.size(), tower.width());
  if (depth == nn::Transformer::kAll)
    tower.forward(batch.ids, batch.sequences(), states, session_.executor, session_.workspace);
  else
    tower.hidden(batch.ids, batch.sequences(), depth, states, session_.executor,
                 session_.workspace);
  for (const uint8_t flag : batch.hidden) out.rows.push_back(flag == 0);
  return out;
}

const Runner::Tower& Runner::text(std::string_view ids, std::string_view mask) {
  if (text_) return *text_;
  const TextPart& part = *model_.text;
  const TextBatch batch = golden_.texts(ids, mask);
  const size_t d = part.tower.width(), n = batch.length;
  Tower& out = text_.emplace();
  out.tokens = read(batch, nn::Transformer::kAll);
  for (size_t i = 0; i < batch.texts; ++i) {
    const nn::Mat<const float> states(&out.tokens.values[i * n * d], n, d);
    const nn::Workspace::Frame frame(session_.workspace);
    const auto pooled = follow(part.head.pooled,
                               pool_text(part, states, std::span(batch.ids).subspan(i * n, n),
                                         std::span(batch.hidden).subspan(i * n, n)),
                               session_.executor, session_.workspace, isa_);
    append(out.pooled, pooled);
    append(out.embedding,
           follow(part.head.embedding, pooled, session_.executor, session_.workspace, isa_));
  }
  return out;
}

/// What V-JEPA 2's predictor looks at: the last tokens, or those of several layers side by side.
Found Runner::levels() {
  const auto& levels = model_.vision->levels;
  if (levels.empty()) return vision(false).tokens;
  Found all;
  for (size_t i = 0; i < levels.size(); ++i) {
    Found one = see(false, levels[i].depth);
    const size_t d = one.shape[2], rows = one.values.size() / d, wide = levels.size() * d;
    const nn::Mat<float> x(one.values.data(), rows, d);
    nn::apply(levels[i].norm, x, x, session_.executor, isa_);
    all.shape = {one.shape[0], one.shape[1], wide};
    all.values.resize(rows * wide);
    for (size_t r = 0; r < rows; ++r) std::copy_n(x.row(r), d, &all.values[r * wide + i * d]);
  }
  return all;
}

/// V-JEPA 2's own predictor: the patches numbered target_mask from those numbered context_mask, or
/// all from all.
Found Runner::predicted_patches() {
  const Found tokens = levels();
  const size_t clips = tokens.shape[0], n = tokens.shape[1], d = tokens.shape[2];
  std::vector<std::vector<uint32_t>> seen(clips), asked;
  if (golden_.has("context_mask") || golden_.has("target_mask")) {
    seen = golden_.numbers("context_mask");
    asked = golden_.numbers("target_mask");
  } else {
    for (auto& row : seen) {
      row.resize(n);
      std::iota(row.begin(), row.end(), 0U);
    }
    asked = seen;
  }
  if (seen.size() != clips || asked.size() != clips) {
    throw Error(golden_.file() + ": tensors \"context_mask\", \"target_mask\": expected " +
                std::to_string(clips) + " rows, one a clip, found " + std::to_string(seen.size()) +
                " and " + std::to_string(asked.size()));
  }
  const vision::PatchPredictor& predictor = *model_.vision->predictor;
  const size_t o = predictor.width();
  Found out{{clips, asked[0].size(), o}, {}, {}};
  out.values.resize(clips * asked[0].size() * o);
  for (size_t i = 0; i < clips; ++i) {
    const size_t m = asked[i].size();
    predictor.forward({&tokens.values[i * n * d], n, d}, golden_.has("pixel_values"), seen[i],
                      asked[i], {&out.values[i * m * o], m, o}, session_.executor,
                      session_.workspace);
  }
  return out;
}

Found Runner::hidden(size_t depth) {
  if (model_.vision) return see(false, depth);
  return read(golden_.texts("input_ids", "attention_mask"), depth);
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
    golden_.no_output(output);
  }
  if (const auto depth = depth_of(output); depth && kind == Kind::single) return hidden(*depth);
  if (model_.vision && (output == "image_embeds" || !model_.text)) {
    const auto& part = *model_.vision;
    if (output == "last_hidden_state") return vision(false).tokens;
    if (output == "predictor_output" && part.predictor) return predicted_patches();
    const bool pools = part.pool != VisionPart::Pool::none || model_.text;
    if (output == "pooled" && pools) return vision(false).pooled;
    if (output == "image_embeds" && pools) return vision(false).embedding;
  } else if (model_.text) {
    const auto& out = [&]() -> const Tower& { return text("input_ids", "attention_mask"); };
    if (output == "last_hidden_state" && kind == Kind::single) return out().tokens;
    if (output == "pooled" && kind == Kind::single) return out().pooled;
    if (output == "sentence_embedding" && kind == Kind::single) return out().embedding;
    if (output == "text_embeds") return out().embedding;
  }
  golden_.no_output(output);
}

std::vector<std::string> Runner::outputs() const {
  using Kind = FolderModel::Kind;
  switch (model_.kind) {
    case Kind::vljepa:
      return {"vision_tokens", "predicted", "target"};
    case Kind::dual:
      return {"image_embeds", "text_embeds"};
    case Kind::single:
      break;
  }
  std::vector<std::string> names{"last_hidden_state"};
  if (model_.vision) {
    if (model_.vision->predictor) names.emplace_back("predictor_output");
    if (model_.vision->pool != VisionPart::Pool::none) names.emplace_back("pooled");
  } else {
    names.emplace_back("sentence_embedding");
  }
  return names;
}

}  // namespace sterna::models
