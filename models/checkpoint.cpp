#include "checkpoint.h"

#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>

#include <algorithm>
#include <utility>

#include "shard_index.h"
#include "text.h"

namespace sterna::models {
namespace {

std::string shown(const SafeTensor& tensor) {
  return std::string(name(tensor.dtype)) + " " + shape_text(tensor.shape);
}

bool is_float(Dtype type) {
  return type == Dtype::f32 || type == Dtype::f16 || type == Dtype::bf16;
}

/// The spellings of "a|b".
std::vector<std::string> spellings(std::string_view names) {
  std::vector<std::string> list;
  while (true) {
    const size_t bar = names.find('|');
    list.emplace_back(names.substr(0, bar));
    if (bar == std::string_view::npos) return list;
    names.remove_prefix(bar + 1);
  }
}

}  // namespace

Checkpoint::Checkpoint(const std::filesystem::path& folder, quant::Type blocks) : blocks_(blocks) {
  const auto single = folder / "model.safetensors";
  const auto index = folder / "model.safetensors.index.json";
  if (!std::filesystem::exists(single) && std::filesystem::exists(index)) {
    file_ = index.string();
    for (const auto& [shard, tensors] : read_shard_index(index)) {
      shards_.push_back(Safetensors::open(folder / shard));
      for (const std::string& tensor : tensors) {
        if (shards_.back().find(tensor) == nullptr) {
          throw Error(shards_.back().file() + ": tensor " + in_quotes(tensor) +
                      " is missing: model.safetensors.index.json says it is here");
        }
        shard_of_.emplace(tensor, shards_.size() - 1);
      }
    }
    return;
  }
  file_ = single.string();
  shards_.push_back(Safetensors::open(single));
  for (const SafeTensor& tensor : shards_[0].tensors()) shard_of_.emplace(tensor.name, 0);
}

const SafeTensor* Checkpoint::find(std::string_view name) const {
  const auto at = shard_of_.find(name);
  return at == shard_of_.end() ? nullptr : shards_[at->second].find(name);
}

bool Checkpoint::has_prefix(std::string_view prefix) const {
  const auto at = shard_of_.lower_bound(prefix);
  return at != shard_of_.end() && at->first.starts_with(prefix);
}

const std::string& Checkpoint::file_of(std::string_view tensor) const {
  const auto at = shard_of_.find(tensor);
  return at == shard_of_.end() ? file_ : shards_[at->second].file();
}

std::vector<float>& Checkpoint::keep(std::vector<float> numbers) {
  return kept_.emplace_back(std::move(numbers));
}

quant::WeightView Checkpoint::pack(std::span<const float> w, size_t m, size_t k) {
  if (blocks_ == quant::Type::f32) return {quant::Type::f32, m, k, std::as_bytes(w), {}, 0};
  const size_t bytes = quant::weight_bytes(blocks_, m, k);
  auto& lines = packed_.emplace_back((bytes + sizeof(Line) - 1) / sizeof(Line));
  auto& scale = scales_.emplace_back(quant::is_integer(blocks_) ? m : 0);
  const auto data = std::as_writable_bytes(std::span(lines)).first(bytes);
  quant::pack(blocks_, w, m, k, 0, data, scale);
  return {blocks_, m, k, data, scale, 0};
}

std::span<const float> Checkpoint::floats(const SafeTensor& tensor) {
  if (!is_float(tensor.dtype)) {
    throw Error(file_of(tensor.name) + ": tensor " + in_quotes(tensor.name) +
                ": expected F32, F16 or BF16, found " + std::string(name(tensor.dtype)));
  }
  const bool aligned = reinterpret_cast<uintptr_t>(tensor.data.data()) % alignof(float) == 0;
  if (tensor.dtype != Dtype::f32 || !aligned) return keep(tensor.floats());
  return {reinterpret_cast<const float*>(tensor.data.data()), tensor.data.size() / sizeof(float)};
}

Tensors Tensors::in(std::string_view name) const {
  const auto names = spellings(name);
  const auto found = std::find_if(names.begin(), names.end(), [&](const std::string& spelling) {
    return file_->has_prefix(prefix_ + spelling + ".");
  });
  Tensors inner(*this);
  inner.prefix_ += (found == names.end() ? names[0] : *found) + ".";
  return inner;
}

Tensors Tensors::either(std::string_view probe,
                        std::initializer_list<std::string_view> names) const {
  if (has(probe)) return *this;
  // The probe itself may be what is missing: then any tensor below a name will do.
  for (const std::string_view name : names) {
    if (in(name).has(probe)) return in(name);
  }
  for (const std::string_view name : names) {
    if (file_->has_prefix(prefix_ + std::string(name) + ".")) return in(name);
  }
  return *this;
}

Tensors Tensors::packed() const {
  Tensors inner(*this);
  inner.packed_ = true;
  return inner;
}

quant::WeightView Tensors::view(std::span<const float> w, size_t m, size_t k) const {
  if (packed_) return file_->pack(w, m, k);
  return {quant::Type::f32, m, k, std::as_bytes(w), {}, 0};
}

std::string Tensors::full(std::string_view name) const {
  const auto names = spellings(name);
  for (const std::string& spelling : names) {
    if (file_->find(prefix_ + spelling) != nullptr) return prefix_ + spelling;
  }
  return prefix_ + names[0];
}

bool Tensors::has(std::string_view name) const { return file_->find(full(name)) != nullptr; }

const SafeTensor& Tensors::tensor(const std::string& full, const std::string& expected) const {
  if (const SafeTensor* found = file_->find(full)) return *found;
  throw Error(file_->file() + ": tensor " + in_quotes(full) + " is missing: expected " + expected);
}

void Tensors::wrong(const SafeTensor& tensor, const std::string& expected) const {
  throw Error(file_->file_of(tensor.name) + ": tensor " + in_quotes(tensor.name) + ": expected " +
              expected + ", found " + shown(tensor));
}

std::span<const float> Tensors::floats(std::string_view name,
                                       std::initializer_list<uint64_t> shape) const {
  const std::string expected = "floats " + shape_text(std::span(shape.begin(), shape.size()));
  const SafeTensor& t = tensor(full(name), expected);
  if (!is_float(t.dtype) || !std::equal(shape.begin(), shape.end(), t.shape.begin(), t.shape.end()))
    wrong(t, expected);
  return file_->floats(t);
}

std::span<const float> Tensors::rows(std::string_view name, uint64_t cols) const {
  const std::string expected = "floats [rows, " + std::to_string(cols) + "]";
  const SafeTensor& t = tensor(full(name), expected);
  const size_t rank = t.shape.size();
  const bool ones = rank <= 2 || std::all_of(t.shape.begin(), t.shape.end() - 2,
                                             [](uint64_t d) { return d == 1; });
  if (!is_float(t.dtype) || rank == 0 || !ones || t.shape.back() != cols || t.data.empty())
    wrong(t, expected);
  return file_->floats(t);
}

std::span<const float> Tensors::matrix(std::string_view name, size_t m, size_t k) const {
  const std::string expected =
      "a linear map [" + std::to_string(m) + ", " + std::to_string(k) + "]";
  const SafeTensor& t = tensor(full(name), expected);
  const bool fits = t.shape.size() >= 2 && t.shape[0] == m && m != 0 && t.elements() / m == k;
  if (!is_float(t.dtype) || !fits) wrong(t, expected);
  return file_->floats(t);
}

quant::Linear Tensors::linear(std::string_view name, size_t m, size_t k, bool bias) const {
  std::string weights, biases;
  for (const std::string& spelling : spellings(name)) {
    weights += (weights.empty() ? "" : "|") + spelling + ".weight";
    biases += (biases.empty() ? "" : "|") + spelling + ".bias";
  }
  return {view(matrix(weights, m, k), m, k), bias ? floats(biases, {m}) : std::span<const float>{},
          isa_};
}

quant::Linear Tensors::part(std::string_view weight, std::string_view bias, size_t all,
                            size_t first, size_t m, size_t k) const {
  const auto w = matrix(weight, all, k).subspan(first * k, m * k);
  return {view(w, m, k),
          bias.empty() ? std::span<const float>{} : floats(bias, {all}).subspan(first, m), isa_};
}

nn::RowTable Tensors::table(std::string_view name, size_t rows, size_t cols) const {
  return {floats(name, {rows, cols}), rows, cols, isa_};
}

nn::Norm Tensors::layer_norm(std::string_view name, size_t d, double eps, bool bias) const {
  const std::string scope(name);
  return {nn::Norm::Kind::layer, floats(scope + ".weight", {d}),
          bias ? floats(scope + ".bias", {d}) : std::span<const float>{}, static_cast<float>(eps)};
}

nn::Norm Tensors::rms_norm(std::string_view name, size_t d, double eps, float offset) const {
  auto gain = floats(std::string(name) + ".weight", {d});
  if (offset != 0) {
    std::vector<float> sum(gain.begin(), gain.end());
    for (float& g : sum) g += offset;
    gain = file_->keep(std::move(sum));
  }
  return {nn::Norm::Kind::rms, gain, {}, static_cast<float>(eps)};
}

}  // namespace sterna::models
