#pragma once

#include <sterna/nn/row_table.h>
#include <sterna/nn/transformer.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/formats.h>

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "source.h"
#include "sterna/models/gguf.h"
#include "sterna/models/safetensors.h"
#include "stored.h"
#include "uses.h"

namespace sterna::models {

/// A tensor of a checkpoint, wherever it lies: plain numbers as in a safetensors file, a linear map
/// in one of quant's layouts, or what is in i8row or q4_0: a table, or a map.
struct HeldTensor {
  SafeTensor plain;  // name and shape always; dtype and data of plain numbers
  std::optional<quant::WeightView> map = {};
  std::optional<StoredTensor> rows = {};     // in i8row or q4_0: a table, or a map to lay out anew
  size_t file = 0;

  /// Whether these are rows or a vector of F32, F16 or BF16.
  bool is_floats() const;
  std::string text() const;  // "F32 [3, 4]", "t5 [768, 256]", for messages
};

/// The weights of a Hugging Face folder (model.safetensors, or the shards that
/// model.safetensors.index.json names) or of a converted GGUF. Tensors are handed out as views of
/// the maps where they lie fit for use (F32 at multiples of 4, quant's layouts, whose rows 16
/// panels hold), else as copies that this object keeps. Binding changes it and is one thread's;
/// views stay valid, and may be read by any number, while it lives.
class Checkpoint {
 public:
  /// Throws sterna::Error naming the file and the fault. Shards must lie in `folder` itself.
  /// `prefix` is Source's: what `opening.replaced` and `opening.roles` put before names.
  explicit Checkpoint(const std::filesystem::path& folder, const Opening& opening = {},
                      std::string prefix = "");
  /// The tensors of a converted GGUF whose names start with `prefix`, without it.
  Checkpoint(std::shared_ptr<const Gguf> file, std::string prefix, const Opening& opening);
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;
  Checkpoint(Checkpoint&&) = default;

  /// The file that names the tensors, for messages.
  const std::string& file() const { return file_; }
  const std::map<std::string, HeldTensor, std::less<>>& tensors() const { return tensors_; }
  const HeldTensor* find(std::string_view name) const;  // nullptr if absent
  bool has_prefix(std::string_view prefix) const;       // whether any name starts with it
  /// The file that `tensor` is in.
  const std::string& file_of(const HeldTensor& tensor) const;

  /// Bytes of the files.
  uint64_t file_bytes() const;

  /// The numbers of a tensor of F32, F16 or BF16; throws for other types.
  std::span<const float> floats(const HeldTensor& tensor);
  /// Memory that lives as long as this object.
  std::vector<float>& keep(std::vector<float> numbers);
  /// The scales of a tensor in i8row.
  std::span<const uint16_t> scales(const HeldTensor& tensor) const;
  /// Throws unless the scales of `tensor` are finite and not negative (models::check_scales()),
  /// where it is not roles alone that are asked for.
  void check_scales(const HeldTensor& tensor) const;
  /// The map that `tensor`, in i8row or q4_0, is: as bf16; blank where roles alone are asked for.
  quant::WeightView laid_out(const HeldTensor& tensor);
  /// w [m, k] in the format of blocks, a scale a row.
  quant::WeightView pack(std::span<const float> w, size_t m, size_t k);
  /// Rows [first, first + m) of `map`: a view where they begin and end with panels, else a copy of
  /// the same weights.
  quant::WeightView rows_of(const quant::WeightView& map, size_t first, size_t m);
  /// Writes down what `tensor` is for, if anybody asked (Opening::roles). A map that is read as
  /// block_map and as map counts as the former.
  void note(const HeldTensor& tensor, Use use, Part part);
  /// Writes down that `weights` are those of `tensor` from `row` on (Opening::places).
  void place(const HeldTensor& tensor, size_t row, std::span<const float> weights);

 private:
  void list_shards(const std::filesystem::path& index);
  void replace(const Opening& opening);
  quant::WeightView stay(quant::Type type, size_t m, size_t k, size_t group, size_t scales);
  quant::WeightView stay(quant::Type type, size_t m, size_t k, size_t group,
                         const quant::Packed& packed);
  std::span<const float> blank(size_t count);
  /// ggml's ternary blocks, which are not multiplied as they lie, as t5.
  quant::WeightView unblocked(const StoredTensor& tensor);

  std::string file_, prefix_;
  std::shared_ptr<const Gguf> gguf_;
  std::deque<Safetensors> shards_;
  std::vector<std::string> files_;
  std::map<std::string, HeldTensor, std::less<>> tensors_;
  std::deque<std::vector<float>> kept_;
  struct Free {
    void operator()(float* numbers) const { std::free(numbers); }
  };
  std::deque<std::unique_ptr<float, Free>> blank_;  // zeros that no memory stands behind
  quant::Type blocks_ = quant::Type::f32;
  Roles* roles_ = nullptr;
  Places* places_ = nullptr;
  nn::Workspace memory_;         // in huge pages, where weights are read twice as fast
  std::span<std::byte> packed_;  // the newest view's, to be filled
  std::deque<std::vector<uint16_t>> scales_;
};

/// A scope of names in a Checkpoint. Every method throws sterna::Error that names file and tensor,
/// what was expected and what was found:
///   d/model.safetensors: tensor "norm.weight": expected floats [128], found F32 [64]
/// A name may list spellings, "a|b": the first that exists is meant, else the first is missing.
class Tensors {
 public:
  explicit Tensors(Checkpoint& file, quant::Isa isa) : file_(&file), isa_(isa) {}
  /// The tensors below `name`, which may list spellings: the first below which anything lies.
  Tensors in(std::string_view name) const;
  /// This scope, or the first of `names` below it, in which `probe` exists, or else anything.
  Tensors either(std::string_view probe, std::initializer_list<std::string_view> names) const;

  /// This scope, whose linear maps are packed to the format of blocks.
  Tensors packed() const;
  /// This scope, whose tensors belong to a part of the model.
  Tensors of(Part part) const;

  bool has(std::string_view name) const;
  quant::Isa isa() const { return isa_; }
  /// Memory that lives as long as the Checkpoint.
  std::span<const float> keep(std::vector<float> numbers) const {
    return file_->keep(std::move(numbers));
  }

  std::span<const float> floats(std::string_view name, std::initializer_list<uint64_t> shape) const;
  /// A single number: [], [1] or [1, 1].
  float number(std::string_view name) const;
  /// Any number of rows, and no leading dimensions of 1: [1, n, d] counts as [n, d].
  std::span<const float> rows(std::string_view name, uint64_t cols) const;
  /// `name`.weight [m, k] (a convolution's [m, ...] counts as its product) and, if `bias`,
  /// `name`.bias.
  quant::Linear linear(std::string_view name, size_t m, size_t k, bool bias) const;
  /// Rows [first, first + m) of a matrix `weight` [all, k] and vector `bias` [all], "" for none.
  quant::Linear part(std::string_view weight, std::string_view bias, size_t all, size_t first,
                     size_t m, size_t k) const;
  nn::RowTable table(std::string_view name, size_t rows, size_t cols) const;
  nn::Norm layer_norm(std::string_view name, size_t d, double eps, bool bias = true) const;
  /// `offset` is added to the gain: Gemma stores gain - 1.
  nn::Norm rms_norm(std::string_view name, size_t d, double eps, float offset = 0) const;

 private:
  std::string full(std::string_view name) const;  // the spelling that exists, else the first
  const HeldTensor& tensor(const std::string& full, const std::string& expected) const;
  [[noreturn]] void wrong(const HeldTensor& tensor, const std::string& expected) const;
  quant::WeightView matrix(std::string_view name, size_t m, size_t k, size_t first,
                           size_t count) const;

  Checkpoint* file_;
  std::string prefix_;
  quant::Isa isa_;
  bool packed_ = false;
  Part part_ = Part::other;
};

}  // namespace sterna::models
