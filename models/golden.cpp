#include "golden.h"

#include <sterna/nn/unit.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "text.h"

namespace sterna::models {
namespace {

bool is_float(Dtype type) {
  return type == Dtype::f64 || type == Dtype::f32 || type == Dtype::f16 || type == Dtype::bf16;
}

constexpr std::array kInputs = {
    "pixels",         "pixel_values",   "pixel_values_videos", "pixel_attention_mask",
    "spatial_shapes", "input_ids",      "query_ids",           "query_mask",
    "target_ids",     "attention_mask", "context_mask",        "target_mask"};

/// Outputs whose rows are embeddings, which users compare by their cosine.
constexpr std::array kEmbeddings = {"image_embeds", "text_embeds", "sentence_embedding",
                                    "predicted", "target"};

/// Whether all rows [n, d] have unit length to the precision of halves.
bool are_units(const std::vector<float>& values, size_t d) {
  for (size_t i = 0; i + d <= values.size(); i += d) {
    double square = 0;
    for (size_t j = 0; j < d; ++j)
      square += static_cast<double>(values[i + j]) * static_cast<double>(values[i + j]);
    if (!(std::abs(square - 1) < 2e-3)) return false;
  }
  return d != 0 && !values.empty();
}

}  // namespace

void Golden::wrong(const SafeTensor& tensor, const std::string& expected) const {
  throw Error(file() + ": tensor " + in_quotes(tensor.name) + ": expected " + expected +
              ", found " + std::string(name(tensor.dtype)) + " " + shape_text(tensor.shape));
}

PixelBatch Golden::pixels(std::string_view name, bool video) const {
  const SafeTensor& t = file_.at(name);
  const size_t rank = video ? 5 : 4;
  const std::string expected = video ? "floats [B, T, 3, H, W]" : "floats [B, 3, H, W]";
  if (!is_float(t.dtype) || t.shape.size() != rank || t.shape[rank - 3] != 3 || t.data.empty())
    wrong(t, expected);
  PixelBatch batch;
  batch.clips = t.shape[0];
  batch.frames = video ? t.shape[1] : 1;
  batch.height = t.shape[rank - 2];
  batch.width = t.shape[rank - 1];
  batch.values = t.floats();
  return batch;
}

PatchBatch Golden::patches(size_t patch) const {
  const SafeTensor& t = file_.at("pixel_values");
  const size_t k = 3 * patch * patch;
  if (!is_float(t.dtype) || t.shape.size() != 3 || t.shape[2] != k || t.data.empty())
    wrong(t, "floats [B, N, " + std::to_string(k) + "]");
  const SafeTensor& shapes = file_.at("spatial_shapes");
  const size_t count = t.shape[0];
  if (is_float(shapes.dtype) || shapes.shape != std::vector<uint64_t>{count, 2})
    wrong(shapes, "integers " + shape_text(std::array<uint64_t, 2>{count, 2}));
  const std::vector<int64_t> sides = shapes.integers();
  const std::vector<float> values = t.floats();
  std::vector<float> mask;
  if (const SafeTensor* m = file_.find("pixel_attention_mask")) {
    if (m->shape != std::vector<uint64_t>{count, t.shape[1]})
      wrong(*m, "a mask " + shape_text(std::array<uint64_t, 2>{count, t.shape[1]}));
    mask = m->floats();
  }
  PatchBatch batch{{}, t.shape[1]};
  for (size_t i = 0; i < count; ++i) {
    const auto most = static_cast<int64_t>(batch.length);
    const int64_t down = sides[2 * i], across = sides[2 * i + 1];
    if (down < 1 || across < 1 || down > most || across > most / down)
      wrong(shapes, "rows and columns of at most " + std::to_string(most) + " patches");
    const auto rows = static_cast<size_t>(down), cols = static_cast<size_t>(across);
    for (size_t j = 0; !mask.empty() && j < batch.length; ++j) {
      if ((mask[i * batch.length + j] != 0) == (j < rows * cols)) continue;
      wrong(*file_.find("pixel_attention_mask"), "the patches of spatial_shapes and no more");
    }
    auto& picture = batch.pictures.emplace_back();
    picture = {rows * patch, cols * patch, std::vector<float>(rows * cols * k)};
    for (size_t y = 0; y < picture.height; ++y) {
      for (size_t x = 0; x < picture.width; ++x) {
        const size_t at = y / patch * cols + x / patch, inside = y % patch * patch + x % patch;
        const float* from = &values[(i * batch.length + at) * k + inside * 3];
        for (size_t c = 0; c < 3; ++c)
          picture.values[(c * picture.height + y) * picture.width + x] = from[c];
      }
    }
  }
  return batch;
}

std::vector<std::vector<uint32_t>> Golden::numbers(std::string_view name) const {
  const SafeTensor& t = file_.at(name);
  if (is_float(t.dtype) || t.shape.size() != 2 || t.data.empty()) wrong(t, "integers [B, N]");
  std::vector<std::vector<uint32_t>> rows(t.shape[0]);
  const std::vector<int64_t> all = t.integers();
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i] < 0 || all[i] > INT32_MAX) wrong(t, "numbers of tokens");
    rows[i / t.shape[1]].push_back(static_cast<uint32_t>(all[i]));
  }
  return rows;
}

TextBatch Golden::texts(std::string_view ids_name, std::string_view mask_name) const {
  const SafeTensor& ids = file_.at(ids_name);
  if (is_float(ids.dtype) || ids.shape.size() != 2 || ids.data.empty())
    wrong(ids, "integers [B, L]");
  TextBatch batch;
  batch.texts = ids.shape[0];
  batch.length = ids.shape[1];
  std::vector<float> mask(ids.elements(), 1.0F);
  if (const SafeTensor* t = file_.find(mask_name)) {
    if (t->shape != ids.shape) wrong(*t, "a mask " + shape_text(ids.shape));
    mask = t->floats();
  }
  const std::vector<int64_t> all = ids.integers();
  batch.starts = {0};
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i] < 0 || all[i] > INT32_MAX) {
      throw Error(file() + ": tensor " + in_quotes(ids_name) + ": expected token ids, found " +
                  std::to_string(all[i]));
    }
    batch.ids.push_back(static_cast<uint32_t>(all[i]));
    batch.positions.push_back(static_cast<uint32_t>(i % batch.length));
    batch.hidden.push_back(mask[i] == 0 ? 1 : 0);
    if ((i + 1) % batch.length == 0) batch.starts.push_back(static_cast<uint32_t>(i + 1));
  }
  return batch;
}

Agreement Golden::compare(std::string_view output, const Found& found) const {
  const SafeTensor& t = file_.at(output);
  if (!is_float(t.dtype) || t.shape != found.shape) {
    wrong(t, "floats " + shape_text(found.shape) + ", which the model gives");
  }
  const std::vector<float> expected = t.floats();
  std::vector<float> values = found.values;
  const size_t d = t.shape.empty() ? 1 : static_cast<size_t>(t.shape.back());
  const bool embedding =
      std::find(kEmbeddings.begin(), kEmbeddings.end(), output) != kEmbeddings.end();
  if (embedding && are_units(expected, d)) {
    for (size_t i = 0; i + d <= values.size(); i += d) nn::l2_normalize(&values[i], d);
  }
  double dot = 0, ours = 0, theirs = 0, error = 0, top = 0;
  bool finite = true;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (!found.rows.empty() && !found.rows[i / d]) continue;
    const auto x = static_cast<double>(values[i]), y = static_cast<double>(expected[i]);
    finite = finite && std::isfinite(x) && std::isfinite(y);
    dot += x * y;
    ours += x * x;
    theirs += y * y;
    error = std::max(error, std::abs(x - y));
    top = std::max(top, std::abs(y));
  }
  if (!finite) return {std::string(output), std::nan(""), std::nan("")};
  // Two tensors of zeros agree.
  const double lengths = std::sqrt(ours) * std::sqrt(theirs);
  const bool same = error == 0;
  return {std::string(output), lengths > 0 ? std::min(1.0, dot / lengths) : (same ? 1.0 : 0.0),
          top > 0 ? error / top : error};
}

std::vector<Agreement> Golden::compare_all(
    const std::string& model, const std::function<Found(const std::string&)>& run) const {
  std::vector<std::string> outputs;
  for (const SafeTensor& tensor : tensors()) {
    if (std::find(kInputs.begin(), kInputs.end(), tensor.name) == kInputs.end())
      outputs.push_back(tensor.name);
  }
  if (outputs.empty()) throw Error(file() + ": expected outputs to compare, found none");
  std::sort(outputs.begin(), outputs.end());
  std::vector<Agreement> all;
  for (const std::string& output : outputs) {
    try {
      all.push_back(compare(output, run(output)));
    } catch (const Error& e) {
      const std::string what = e.what();
      if (what.starts_with(file()) || what.starts_with(model)) throw;
      throw Error(file() + ": " + what);
    }
  }
  return all;
}

void Golden::no_output(std::string_view name) const {
  throw Error(file() + ": tensor " + in_quotes(name) +
              ": expected an input or an output of this model, found another name");
}

void append(Found& rows, std::span<const float> row) {
  rows.shape = {rows.shape.empty() ? 1 : rows.shape[0] + 1, row.size()};
  rows.values.insert(rows.values.end(), row.begin(), row.end());
}

}  // namespace sterna::models
