#pragma once

#include <sterna/nn/attention.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "source.h"
#include "sterna/models/check.h"
#include "sterna/models/safetensors.h"

namespace sterna::models {

/// Texts of one length, as a tokenizer pads them, laid end to end.
struct TextBatch {
  size_t texts = 0, length = 0;     // [B, L]
  std::vector<uint32_t> ids;        // [B L]
  std::vector<uint32_t> positions;  // their columns
  std::vector<uint32_t> starts;     // [B + 1]
  std::vector<uint8_t> hidden;      // [B L]: what the mask hides

  nn::Sequences sequences() const { return {starts, positions, hidden}; }
};

/// Pictures or clips: floats [B, T, 3, H, W]; T = 1 for [B, 3, H, W].
struct PixelBatch {
  size_t clips = 0, frames = 1, height = 0, width = 0;
  std::vector<float> values;

  size_t clip_size() const { return frames * 3 * height * width; }
};

/// Pictures of shapes of their own, planar [3, height, width], as NaFlex's batches hold them in
/// patches.
struct PatchBatch {
  struct Picture {
    size_t height = 0, width = 0;
    std::vector<float> values;
  };
  std::vector<Picture> pictures;
  size_t length = 0;  // patches that a picture is padded to
};

/// What a model gave for one expected output.
struct Found {
  std::vector<uint64_t> shape;
  std::vector<float> values;
  /// Which rows (all but the last dimension) count; empty: all.
  std::vector<bool> rows;
};

/// A golden file: inputs of a model and the outputs expected of it. Throws sterna::Error naming
/// file and tensor. Sizes are those of tensors in the file, so nothing is allocated that it doesn't
/// hold.
class Golden {
 public:
  explicit Golden(const std::filesystem::path& file) : file_(Safetensors::open(file)) {}
  explicit Golden(Safetensors file) : file_(std::move(file)) {}

  const std::string& file() const { return file_.file(); }
  bool has(std::string_view name) const { return file_.find(name) != nullptr; }
  const std::vector<SafeTensor>& tensors() const { return file_.tensors(); }

  PixelBatch pixels(std::string_view name, bool video) const;
  /// pixel_values [B, N, 3 patch patch] (columns row, column, channel) and spatial_shapes [B, 2],
  /// rows and columns of patches. pixel_attention_mask [B, N], if it is there, must hide what lies
  /// behind them.
  PatchBatch patches(size_t patch) const;
  /// Numbers of tokens [B, n], a list a row.
  std::vector<std::vector<uint32_t>> numbers(std::string_view name) const;
  /// ids [B, L] of integers; mask [B, L] of numbers, 0 hides, or no tensor of that name.
  TextBatch texts(std::string_view ids, std::string_view mask) const;
  Agreement compare(std::string_view output, const Found& found) const;
  /// Every tensor that is no input, by name, compared with what `run` gives for its name. `model`
  /// is named in errors of modules that were given what doesn't fit.
  std::vector<Agreement> compare_all(const std::string& model,
                                     const std::function<Found(const std::string&)>& run) const;
  /// Throws that the model at hand has no output of this name.
  [[noreturn]] void no_output(std::string_view name) const;

 private:
  [[noreturn]] void wrong(const SafeTensor& tensor, const std::string& expected) const;

  Safetensors file_;
};

/// Appends a row to a tensor [B, d].
void append(Found& rows, std::span<const float> row);

/// check() for a GGUF of Sterna's own kind.
std::vector<Agreement> check_gguf(const Gguf& file, const Golden& golden, Session& session,
                                  quant::Isa isa);
/// check() for a folder or a converted GGUF.
std::vector<Agreement> check_source(const Source& source, const Golden& golden, Session& session,
                                    const CheckOptions& options);

}  // namespace sterna::models
