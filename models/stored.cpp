#include "stored.h"

#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "text.h"

namespace sterna::models {
namespace {

constexpr size_t kMostDimensions = 16;                // as of safetensors
constexpr uint64_t max_rows = uint64_t{1} << 40;  // so that sizes in bytes can't overflow
constexpr uint64_t max_cols = quant::kMaxInputs;

const GgufTensor* scale_of(const Gguf& file, std::string_view name) {
  return file.find(std::string(name) + ".scale");
}

}  // namespace

std::string tensor_key(std::string_view name, std::string_view field) {
  return "sterna.tensor." + std::string(name) + "." + std::string(field);
}

bool is_scale(const Gguf& file, const GgufTensor& tensor) {
  constexpr std::string_view suffix = ".scale";
  const std::string_view name = tensor.name;
  if (!name.ends_with(suffix) || tensor.type != GgmlType::f16) return false;
  const GgufTensor* owner = file.find(name.substr(0, name.size() - suffix.size()));
  return owner != nullptr && stored(file, *owner).scale == &tensor;
}

StoredTensor stored(const Gguf& file, const GgufTensor& tensor) {
  const auto fail = [&](const std::string& fault) {
    throw Error(file.file() + ": tensor " + in_quotes(tensor.name) + ": " + fault);
  };
  StoredTensor out;
  out.data = &tensor;
  out.shape = tensor.shape;
  const std::string name = tensor_key(tensor.name, "name");
  out.name = file.has(name) ? file.string(name) : std::string_view(tensor.name);
  if (const std::string key = tensor_key(tensor.name, "shape");
      file.has(key) && !file.has(tensor_key(tensor.name, "type"))) {
    out.shape.clear();
    uint64_t elements = 1;
    bool fits = true;
    for (const int64_t d : file.integers(key)) {
      fits =
          fits && d > 0 && !__builtin_mul_overflow(elements, static_cast<uint64_t>(d), &elements);
      out.shape.push_back(static_cast<uint64_t>(d));
    }
    if (!fits || elements != tensor.elements() || out.shape.size() > kMostDimensions) {
      throw Error(file.file() + ": metadata " + in_quotes(key) + ": expected a shape of " +
                  std::to_string(tensor.elements()) + " elements, found " + shape_text(out.shape));
    }
  }
  // Maps and tables are read by row, and a row begins with a block.
  if (const auto info = ggml_type_info(tensor.type);
      info && info->block > 1 && !out.shape.empty() && out.shape != tensor.shape &&
      tensor.elements() / out.shape[0] % info->block != 0) {
    throw Error(file.file() + ": metadata " + in_quotes(tensor_key(tensor.name, "shape")) +
                ": expected rows of a multiple of " + std::to_string(info->block) +
                " weights for " + std::string(info->name) + ", found " + shape_text(out.shape));
  }
  if (tensor.type != GgmlType::i8) return out;

  uint64_t scales = 0;
  if (const std::string key = tensor_key(tensor.name, "type"); file.has(key)) {
    const std::string_view type = file.string(key);
    try {
      out.layout = quant::parse_type(type);
    } catch (const Error&) {
      throw Error(file.file() + ": metadata " + in_quotes(key) +
                  ": expected f32, bf16, i8, t2, t5, t34 or t14, found " + in_quotes(type));
    }
    const uint64_t rows = file.integer(tensor_key(tensor.name, "rows"), 1, max_rows);
    const bool integer = quant::is_integer(*out.layout);
    const uint64_t cols =
        file.integer(tensor_key(tensor.name, "cols"), 1, integer ? max_cols : kMostFloatInputs);
    const std::string group = tensor_key(tensor.name, "group");
    if (file.has(group)) out.group = file.integer(group, 0, max_cols);
    out.shape = {rows, cols};
    const uint64_t bytes = quant::weight_bytes(*out.layout, rows, cols);
    if (tensor.data.size() != bytes) {
      fail("expected " + std::to_string(bytes) + " bytes for " + std::string(type) + " " +
           shape_text(out.shape) + ", found " + std::to_string(tensor.data.size()));
    }
    if (quant::is_integer(*out.layout)) scales = rows * quant::group_count(cols, out.group);
  } else if (const GgufTensor* const scale = scale_of(file, tensor.name);
             tensor.shape.size() >= 2 && scale != nullptr && scale->type == GgmlType::f16) {
    // Its rows, which have a scale each, are those of the data: a shape can't cut them anew.
    if (out.shape.size() < 2 || out.shape[0] != tensor.shape[0]) {
      throw Error(file.file() + ": metadata " + in_quotes(tensor_key(tensor.name, "shape")) +
                  ": expected a shape of two or more dimensions, " +
                  std::to_string(tensor.shape[0]) + " the first, for i8row " +
                  shape_text(tensor.shape) + ", found " + shape_text(out.shape));
    }
    out.row_table = true;
    scales = tensor.shape[0];
  }
  if (scales == 0) return out;
  out.scale = scale_of(file, tensor.name);
  if (out.scale == nullptr)
    fail("expected its scales in tensor \"" + tensor.name + ".scale\", found none");
  if (out.scale->type != GgmlType::f16 || out.scale->elements() != scales) {
    fail("expected scales f16 [" + std::to_string(scales) + "], found " +
         ggml_type_name(out.scale->type) + " " + shape_text(out.scale->shape));
  }
  return out;
}

std::span<const uint16_t> scales_of(const Gguf& file, const StoredTensor& tensor) {
  if (tensor.scale == nullptr) return {};
  const auto data = tensor.scale->data;
  if (reinterpret_cast<uintptr_t>(data.data()) % alignof(uint16_t) != 0) {
    throw Error(file.file() + ": tensor " + in_quotes(tensor.scale->name) +
                ": expected data at a multiple of 2 bytes, found another address");
  }
  return {reinterpret_cast<const uint16_t*>(data.data()), data.size() / sizeof(uint16_t)};
}

void check_scales(const std::string& file, std::string_view tensor,
                  std::span<const uint16_t> scale, size_t rows) {
  constexpr uint16_t kMost = 0x7bff, kMinusZero = 0x8000;  // of fp16; infinities are above
  constexpr size_t kMostGroups = size_t{1} << 16;
  const size_t a_row = std::max<size_t>(1, scale.size() / std::max<size_t>(1, rows));
  if (a_row > 1) scale = scale.first(std::min(scale.size(), kMostGroups));
  uint16_t top = 0;
  for (const uint16_t s : scale) top = std::max(top, s);
  if (top <= kMost) return;
  for (size_t i = 0; i < scale.size(); ++i) {
    if (scale[i] <= kMost || scale[i] == kMinusZero) continue;
    throw Error(file + ": tensor " + in_quotes(tensor) +
                ": expected scales that are finite and not negative, found " +
                std::to_string(quant::f16_to_f32(scale[i])) + " in row " +
                std::to_string(i / a_row));
  }
}

quant::WeightView view_of(const Gguf& file, const StoredTensor& tensor) {
  const auto fail = [&](const std::string& fault) {
    throw Error(file.file() + ": tensor " + in_quotes(tensor.name) + ": " + fault);
  };
  quant::WeightView view{*tensor.layout,
                         static_cast<size_t>(tensor.shape[0]),
                         static_cast<size_t>(tensor.shape[1]),
                         tensor.data->data,
                         scales_of(file, tensor),
                         static_cast<size_t>(tensor.group)};
  if (reinterpret_cast<uintptr_t>(view.data.data()) % quant::kLineBytes != 0) {
    fail("expected data at a multiple of 64 bytes, found general.alignment " +
         std::to_string(file.alignment()));
  }
  try {
    quant::check(view);
  } catch (const Error& e) {
    fail(e.what());
  }
  return view;
}

std::vector<uint16_t> copied_scales(const StoredTensor& tensor) {
  if (tensor.scale == nullptr) return {};
  std::vector<uint16_t> scale(tensor.scale->data.size() / sizeof(uint16_t));
  std::ranges::copy(tensor.scale->data, std::as_writable_bytes(std::span(scale)).begin());
  return scale;
}

void read_quantised(const StoredTensor& tensor, std::span<float> out) {
  const std::vector<uint16_t> scale = copied_scales(tensor);
  if (tensor.layout) {
    quant::dequantise({*tensor.layout, static_cast<size_t>(tensor.shape[0]),
                       static_cast<size_t>(tensor.shape[1]), tensor.data->data, scale,
                       static_cast<size_t>(tensor.group)},
                      out);
    return;
  }
  read_table_rows(tensor, 0, out);
}

void read_table_rows(const StoredTensor& tensor, size_t first, std::span<float> out) {
  const size_t cols = static_cast<size_t>(tensor.elements() / tensor.shape[0]);
  for (size_t row = first; !out.empty(); ++row, out = out.subspan(cols)) {
    uint16_t scale;  // at any address
    std::memcpy(&scale, tensor.scale->data.data() + row * sizeof scale, sizeof scale);
    const auto codes = tensor.data->data.subspan(row * cols, cols);
    quant::lookup_row({reinterpret_cast<const int8_t*>(codes.data()), cols}, scale,
                      out.first(cols));
  }
}

namespace {

struct PlainType {
  Dtype dtype;
  GgmlType type;
};
constexpr std::array kPlainTypes = {
    PlainType{Dtype::f64, GgmlType::f64}, PlainType{Dtype::f32, GgmlType::f32},
    PlainType{Dtype::f16, GgmlType::f16}, PlainType{Dtype::bf16, GgmlType::bf16},
    PlainType{Dtype::i64, GgmlType::i64}, PlainType{Dtype::i32, GgmlType::i32},
    PlainType{Dtype::i8, GgmlType::i8}};

}  // namespace

std::optional<Dtype> plain_dtype(GgmlType type) noexcept {
  for (const PlainType& plain : kPlainTypes)
    if (plain.type == type) return plain.dtype;
  return {};
}

std::optional<GgmlType> plain_type(Dtype type) noexcept {
  for (const PlainType& plain : kPlainTypes)
    if (plain.dtype == type) return plain.type;
  return {};
}

std::string StoredTensor::type() const {
  if (layout) return std::string(quant::name(*layout));
  return row_table ? "i8row" : ggml_type_name(data->type);
}

std::string StoredTensor::text() const { return type() + " " + shape_text(shape); }

uint64_t StoredTensor::bytes() const {
  return data->data.size() + (scale != nullptr ? scale->data.size() : 0);
}

uint64_t StoredTensor::elements() const {
  uint64_t n = 1;
  for (const uint64_t d : shape) n *= d;
  return n;
}

}  // namespace sterna::models
