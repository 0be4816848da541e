#include "ggml_rows.h"

#include <sterna/models/safetensors.h>
#include <sterna/quant/error.h>
#include <sterna/quant/ggml_blocks.h>

#include <optional>
#include <string>

#include "quantize_ternary.h"
#include "stored.h"
#include "text.h"

namespace sterna::models {
namespace {

std::optional<quant::GgmlBlock> small_block(GgmlType type) noexcept {
  using quant::GgmlBlock;
  for (const GgmlBlock kind : {GgmlBlock::q4_0, GgmlBlock::q4_1, GgmlBlock::q5_0, GgmlBlock::q5_1,
                               GgmlBlock::q8_0}) {
    if (ggml_type_name(type) == quant::name(kind)) return kind;
  }
  return std::nullopt;
}

std::optional<Dtype> float_type(GgmlType type) noexcept {
  const auto plain = plain_dtype(type);
  const bool floats = plain == Dtype::f32 || plain == Dtype::f16 || plain == Dtype::bf16;
  return floats ? plain : std::nullopt;
}

}  // namespace

void expect_numbers(const GgufTensor& tensor) {
  if (float_type(tensor.type) || ternary_block(tensor.type) || small_block(tensor.type)) return;
  throw Error("tensor " + in_quotes(tensor.name) +
              ": expected f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0, tq1_0 or tq2_0, found " +
              ggml_type_name(tensor.type));
}

std::vector<float> read_rows(const GgufTensor& tensor, size_t first, size_t count) {
  expect_numbers(tensor);
  const size_t m = tensor.shape.empty() ? 1 : static_cast<size_t>(tensor.shape[0]);
  const size_t k = static_cast<size_t>(tensor.elements()) / m, bytes = tensor.data.size() / m;
  const auto data = tensor.data.subspan(first * bytes, count * bytes);
  if (const auto type = float_type(tensor.type))
    return SafeTensor{tensor.name, *type, {count, k}, data}.floats();
  std::vector<float> out(count * k);
  if (const auto kind = ternary_block(tensor.type)) {
    quant::dequantise_blocks(*kind, data, out);
  } else {
    quant::dequantise_blocks(*small_block(tensor.type), data, out);
  }
  return out;
}

std::vector<float> read_all(const StoredTensor& tensor) {
  const GgufTensor& data = *tensor.data;
  if (!tensor.layout && !tensor.row_table)
    return read_rows(data, 0, data.shape.empty() ? 1 : static_cast<size_t>(data.shape[0]));
  std::vector<float> out(static_cast<size_t>(tensor.elements()));
  read_quantised(tensor, out);
  return out;
}

}  // namespace sterna::models
