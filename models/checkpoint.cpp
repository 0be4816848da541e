#include "checkpoint.h"

#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>

#include <algorithm>
#include <new>
#include <utility>

#include "laid_out.h"
#include "quantize_ternary.h"
#include "shard_index.h"
#include "stored.h"
#include "text.h"

namespace sterna::models {

bool HeldTensor::is_floats() const {
  const Dtype type = plain.dtype;
  return !map && (type == Dtype::f32 || type == Dtype::f16 || type == Dtype::bf16);
}

std::string HeldTensor::text() const {
  const std::string type = map    ? std::string(quant::name(map->type))
                           : rows ? rows->type()
                                  : std::string(name(plain.dtype));
  return type + " " + shape_text(plain.shape);
}

Checkpoint::Checkpoint(const std::filesystem::path& folder, const Opening& opening,
                       std::string prefix)
    : prefix_(std::move(prefix)),
      blocks_(opening.blocks),
      roles_(opening.roles),
      places_(opening.places) {
  const auto single = folder / "model.safetensors";
  const auto index = folder / "model.safetensors.index.json";
  if (!std::filesystem::exists(single) && std::filesystem::exists(index)) {
    list_shards(index);
  } else {
    file_ = single.string();
    files_ = {file_};
    shards_.push_back(Safetensors::open(single));
    for (const SafeTensor& tensor : shards_[0].tensors()) tensors_[tensor.name] = {tensor};
  }
  replace(opening);
}

void Checkpoint::list_shards(const std::filesystem::path& index) {
  file_ = index.string();
  for (const auto& [shard, names] : read_shard_index(index)) {
    const Safetensors& file =
        shards_.emplace_back(Safetensors::open(index.parent_path() / shard));
    files_.push_back(file.file());
    for (const std::string& name : names) {
      const SafeTensor* tensor = file.find(name);
      if (tensor == nullptr) {
        throw Error(file.file() + ": tensor " + in_quotes(name) +
                    " is missing: model.safetensors.index.json says it is here");
      }
      tensors_[name] = {.plain = *tensor, .file = files_.size() - 1};
    }
  }
}

Checkpoint::Checkpoint(std::shared_ptr<const Gguf> file, std::string prefix,
                       const Opening& opening)
    : file_(file->file()),
      prefix_(std::move(prefix)),
      gguf_(std::move(file)),
      files_{file_},
      blocks_(opening.blocks),
      roles_(opening.roles),
      places_(opening.places) {
  for (const GgufTensor& tensor : gguf_->tensors()) {
    if (is_scale(*gguf_, tensor)) continue;
    const StoredTensor s = stored(*gguf_, tensor);
    if (!s.name.starts_with(prefix_)) continue;
    HeldTensor held;
    held.plain = {s.name.substr(prefix_.size()), Dtype::i8, s.shape, tensor.data};
    if (s.layout) {
      held.map = view_of(*gguf_, s);
    } else if (LaidOut::wants(s)) {
      held.rows = s;
    } else if (const auto type = plain_dtype(tensor.type)) {
      held.plain.dtype = *type;
    } else if (ternary_block(tensor.type) && s.shape.size() > 1) {
      held.map = unblocked(s);
    } else {
      continue;  // a type that no binder asks for, and so no tensor of a model
    }
    const std::string name = held.plain.name;
    if (!tensors_.emplace(name, std::move(held)).second) {
      throw Error(file_ + ": tensor " + in_quotes(tensor.name) + ": name " + in_quotes(s.name) +
                  " occurs twice");
    }
  }
  replace(opening);
}

void Checkpoint::replace(const Opening& opening) {
  if (opening.replaced == nullptr) return;
  for (const auto& [name, view] : *opening.replaced) {
    if (!name.starts_with(prefix_)) continue;
    const auto at = tensors_.find(std::string_view(name).substr(prefix_.size()));
    if (at != tensors_.end()) at->second.map = view;
  }
}

const HeldTensor* Checkpoint::find(std::string_view name) const {
  const auto at = tensors_.find(name);
  return at == tensors_.end() ? nullptr : &at->second;
}

bool Checkpoint::has_prefix(std::string_view prefix) const {
  const auto at = tensors_.lower_bound(prefix);
  return at != tensors_.end() && at->first.starts_with(prefix);
}

const std::string& Checkpoint::file_of(const HeldTensor& tensor) const {
  return files_[tensor.file];
}

uint64_t Checkpoint::file_bytes() const {
  uint64_t bytes = gguf_ ? gguf_->file_bytes() : 0;
  for (const Safetensors& shard : shards_) bytes += shard.file_bytes();
  return bytes;
}

void Checkpoint::note(const HeldTensor& tensor, Use use, Part part) {
  if (roles_ == nullptr) return;
  const auto [at, first] = roles_->emplace(prefix_ + tensor.plain.name, Role{use, part});
  if (first || at->second.use == use) return;
  // One use that needs plain numbers is enough to keep them.
  const bool maps = use <= Use::map && at->second.use <= Use::map;
  at->second.use = maps ? Use::block_map : Use::numbers;
}

void Checkpoint::place(const HeldTensor& tensor, size_t row, std::span<const float> weights) {
  if (places_ != nullptr)
    (*places_)[std::as_bytes(weights).data()] = {prefix_ + tensor.plain.name, row};
}

std::vector<float>& Checkpoint::keep(std::vector<float> numbers) {
  return kept_.emplace_back(std::move(numbers));
}

quant::WeightView Checkpoint::stay(quant::Type type, size_t m, size_t k, size_t group,
                                   size_t scales) {
  const size_t bytes = quant::weight_bytes(type, m, k);
  packed_ = {memory_.bytes(bytes), bytes};
  const auto& scale = scales_.emplace_back(scales);
  return {type, m, k, packed_, scale, group};
}

quant::WeightView Checkpoint::stay(quant::Type type, size_t m, size_t k, size_t group,
                                   const quant::Packed& packed) {
  const quant::WeightView view = stay(type, m, k, group, packed.scale.size());
  std::copy(packed.data.begin(), packed.data.end(), packed_.begin());
  std::copy(packed.scale.begin(), packed.scale.end(), scales_.back().begin());
  return view;
}

std::span<const uint16_t> Checkpoint::scales(const HeldTensor& tensor) const {
  return scales_of(*gguf_, *tensor.rows);
}

void Checkpoint::check_scales(const HeldTensor& tensor) const {
  if (roles_ != nullptr) return;
  const auto check = [&](std::span<const uint16_t> scale, size_t rows) {
    models::check_scales(file_of(tensor), tensor.plain.name, scale, rows);
  };
  if (tensor.map) check(tensor.map->scale, tensor.map->m);
  if (!tensor.map && tensor.rows && tensor.rows->scale != nullptr)
    check(scales(tensor), static_cast<size_t>(tensor.rows->shape[0]));
}

std::span<const float> Checkpoint::blank(size_t count) {
  // Zeroed pages are not there until they are written to.
  auto& blank = blank_.emplace_back(static_cast<float*>(std::calloc(count + 1, sizeof(float))));
  if (!blank) throw std::bad_alloc();
  return {blank.get(), count};
}

quant::WeightView Checkpoint::laid_out(const HeldTensor& tensor) {
  const size_t m = static_cast<size_t>(tensor.plain.shape[0]);
  const size_t k = static_cast<size_t>(tensor.rows->elements()) / m;
  if (roles_ != nullptr)
    return {quant::Type::f32, m, k, std::as_bytes(blank(m * k)), {}, 0};
  try {
    return gguf_->laid_out().map(*tensor.rows, m, k);
  } catch (const Error& e) {
    throw Error(file_ + ": tensor " + in_quotes(tensor.plain.name) + ": " + e.what());
  }
}

quant::WeightView Checkpoint::pack(std::span<const float> w, size_t m, size_t k) {
  if (blocks_ == quant::Type::f32 || roles_ != nullptr)
    return {quant::Type::f32, m, k, std::as_bytes(w), {}, 0};
  const quant::WeightView view = stay(blocks_, m, k, 0, quant::is_integer(blocks_) ? m : 0);
  quant::pack(blocks_, w, m, k, 0, packed_, scales_.back());
  return view;
}

quant::WeightView Checkpoint::rows_of(const quant::WeightView& map, size_t first, size_t m) {
  const size_t groups = map.scale.size() / std::max<size_t>(1, map.m), k = map.k;
  const auto scale = map.scale.subspan(first * groups, m * groups);
  const bool panels = first % quant::kPanelRows == 0 &&
                      (m % quant::kPanelRows == 0 || first + m == map.m);
  if (panels || map.type == quant::Type::f32) {
    const size_t before = quant::weight_bytes(map.type, first, k);
    return {map.type, m,        k,
            map.data.subspan(before, quant::weight_bytes(map.type, m, k)), scale, map.group};
  }
  // The same numbers in panels of their own.
  quant::Packed packed;
  if (quant::is_integer(map.type)) {
    std::vector<int8_t> all(map.m * k);
    quant::unpack_integers(map, all);
    packed = quant::pack_integers(map.type, std::span(all).subspan(first * k, m * k), scale, m, k,
                                  map.group);
  } else {
    std::vector<float> all(map.m * k);
    quant::dequantise(map, all);
    packed = quant::pack(map.type, std::span(all).subspan(first * k, m * k), m, k);
  }
  return stay(map.type, m, k, map.group, packed);
}

quant::WeightView Checkpoint::unblocked(const StoredTensor& tensor) {
  try {
    const Ternary t = ternary(tensor);
    return stay(quant::Type::t5, t.rows, t.cols, t.group,
                quant::pack_integers(quant::Type::t5, t.q, t.scale, t.rows, t.cols, t.group));
  } catch (const Error& e) {
    throw Error(file_ + ": tensor " + in_quotes(tensor.name) + ": " + e.what());
  }
}

std::span<const float> Checkpoint::floats(const HeldTensor& tensor) {
  const SafeTensor& plain = tensor.plain;
  if (!tensor.is_floats()) {
    throw Error(file_of(tensor) + ": tensor " + in_quotes(plain.name) +
                ": expected F32, F16 or BF16, found " + tensor.text());
  }
  const bool aligned = reinterpret_cast<uintptr_t>(plain.data.data()) % alignof(float) == 0;
  const size_t count = static_cast<size_t>(plain.elements());
  if (plain.dtype == Dtype::f32 && aligned)
    return {reinterpret_cast<const float*>(plain.data.data()), count};
  if (roles_ == nullptr) return keep(plain.floats());
  return blank(count);
}

}  // namespace sterna::models
