#pragma once

#include <sterna/nn/row_table.h>
#include <sterna/nn/transformer.h>
#include <sterna/quant/linear.h>

#include <cstdint>
#include <deque>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/models/safetensors.h"

namespace sterna::models {

/// The weights of a Hugging Face folder: model.safetensors, or the shards that
/// model.safetensors.index.json names. Tensors are handed out as views of the maps where they lie
/// fit for use (F32 at multiples of 4), else as copies that this object keeps. Binding changes it
/// and is one thread's; views stay valid, and may be read by any number, while it lives.
class Checkpoint {
 public:
  /// `blocks` is the format that maps of transformer blocks are packed to. Throws sterna::Error
  /// naming the file and the fault. Shards must lie in `folder` itself.
  explicit Checkpoint(const std::filesystem::path& folder, quant::Type blocks = quant::Type::f32);
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;
  Checkpoint(Checkpoint&&) = default;

  /// The file that names the tensors, for messages.
  const std::string& file() const { return file_; }
  const SafeTensor* find(std::string_view name) const;  // nullptr if absent
  bool has_prefix(std::string_view prefix) const;       // whether any name starts with it
  /// The file that `tensor` is in.
  const std::string& file_of(std::string_view tensor) const;

  /// The numbers of a tensor of F32, F16 or BF16; throws for other types.
  std::span<const float> floats(const SafeTensor& tensor);
  /// Memory that lives as long as this object.
  std::vector<float>& keep(std::vector<float> numbers);
  /// w [m, k] in the format of blocks, a scale a row.
  quant::WeightView pack(std::span<const float> w, size_t m, size_t k);

 private:
  std::string file_;
  std::deque<Safetensors> shards_;
  std::map<std::string, size_t, std::less<>> shard_of_;  // tensor -> shard
  std::deque<std::vector<float>> kept_;
  struct alignas(64) Line {  // what kernels read weights by
    std::byte bytes[64];
  };
  quant::Type blocks_;
  std::deque<std::vector<Line>> packed_;
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

  bool has(std::string_view name) const;
  quant::Isa isa() const { return isa_; }
  /// Memory that lives as long as the Checkpoint.
  std::span<const float> keep(std::vector<float> numbers) const {
    return file_->keep(std::move(numbers));
  }

  std::span<const float> floats(std::string_view name, std::initializer_list<uint64_t> shape) const;
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
  const SafeTensor& tensor(const std::string& full, const std::string& expected) const;
  [[noreturn]] void wrong(const SafeTensor& tensor, const std::string& expected) const;
  std::span<const float> matrix(std::string_view name, size_t m, size_t k) const;
  quant::WeightView view(std::span<const float> w, size_t m, size_t k) const;

  Checkpoint* file_;
  std::string prefix_;
  quant::Isa isa_;
  bool packed_ = false;
};

}  // namespace sterna::models
