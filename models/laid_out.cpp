#include "laid_out.h"

#include <sterna/quant/formats.h>
#include <sterna/quant/ggml_blocks.h>

#include <algorithm>

#include "ggml_rows.h"

namespace sterna::models {

bool LaidOut::wants(const StoredTensor& tensor) {
  return tensor.row_table || (!tensor.layout && tensor.data->type == GgmlType::q4_0);
}

quant::WeightView LaidOut::map(const StoredTensor& tensor, size_t m, size_t k) {
  const std::scoped_lock lock(mutex_);
  const auto at = maps_.find(tensor.data);
  if (at != maps_.end()) return at->second;
  const size_t bytes = quant::weight_bytes(quant::Type::bf16, m, k);
  const std::span<std::byte> data(memory_.bytes(bytes), bytes);
  if (!tensor.row_table) {
    quant::lay_out_q4_0(tensor.data->data, m, k, data);
    return maps_[tensor.data] = {quant::Type::bf16, m, k, data, {}, 0};
  }
  std::vector<float> w;
  for (size_t row = 0; row < m; row += quant::kPanelRows) {  // a panel, while it is in the cache
    const size_t rows = std::min(quant::kPanelRows, m - row);
    w.resize(rows * k);
    read_table_rows(tensor, row, w);
    const size_t before = quant::weight_bytes(quant::Type::bf16, row, k);
    quant::pack(quant::Type::bf16, w, rows, k, 0,
                data.subspan(before, quant::weight_bytes(quant::Type::bf16, rows, k)), {});
  }
  return maps_[tensor.data] = {quant::Type::bf16, m, k, data, {}, 0};
}

std::span<const float> LaidOut::floats(const StoredTensor& tensor) {
  const std::scoped_lock lock(mutex_);
  const auto at = floats_.find(tensor.data);
  if (at != floats_.end()) return at->second;
  return floats_[tensor.data] = read_all(tensor);
}

}  // namespace sterna::models
