#include "stored.h"

#include <sterna/quant/formats.h>

#include "text.h"

namespace sterna::models {
namespace {

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
    const uint64_t cols = file.integer(tensor_key(tensor.name, "cols"), 1, max_cols);
    const std::string group = tensor_key(tensor.name, "group");
    if (file.has(group)) out.group = file.integer(group, 0, max_cols);
    out.shape = {rows, cols};
    const uint64_t bytes = quant::weight_bytes(*out.layout, rows, cols);
    if (tensor.data.size() != bytes) {
      fail("expected " + std::to_string(bytes) + " bytes for " + std::string(type) + " " +
           shape_text(out.shape) + ", found " + std::to_string(tensor.data.size()));
    }
    if (quant::is_integer(*out.layout)) scales = rows * quant::group_count(cols, out.group);
  } else if (tensor.shape.size() == 2 && scale_of(file, tensor.name) != nullptr) {
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
