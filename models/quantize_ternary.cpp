#include "quantize_ternary.h"

#include <sterna/quant/error.h>

#include <algorithm>
#include <string>

namespace sterna::models {

std::optional<quant::TernaryBlock> ternary_block(GgmlType type) noexcept {
  if (type == GgmlType::tq1_0) return quant::TernaryBlock::tq1_0;
  if (type == GgmlType::tq2_0) return quant::TernaryBlock::tq2_0;
  return std::nullopt;
}

std::optional<quant::TernaryBlock> ternary_block(std::string_view type) noexcept {
  if (type == "tq1_0") return quant::TernaryBlock::tq1_0;
  if (type == "tq2_0") return quant::TernaryBlock::tq2_0;
  return std::nullopt;
}

bool is_ternary(const StoredTensor& s) noexcept {
  if (!s.layout) return ternary_block(s.data->type).has_value();
  return quant::is_integer(*s.layout) && *s.layout != quant::Type::i8;
}

Ternary ternary(const StoredTensor& s) {
  Ternary t{};
  t.rows = static_cast<size_t>(s.shape.size() < 2 ? 1 : s.shape[0]);
  t.cols = static_cast<size_t>(s.elements()) / t.rows;
  t.q.resize(t.rows * t.cols);
  if (const auto blocks = ternary_block(s.data->type); blocks && !s.layout) {
    t.group = quant::kTernaryBlockWeights;
    if (t.cols % t.group != 0)
      throw Error("expected rows of a multiple of 256 weights, found " + std::to_string(t.cols));
    t.scale.resize(t.q.size() / t.group);
    quant::unpack_blocks(*blocks, s.data->data, t.q, t.scale);
    return t;
  }
  t.group = static_cast<size_t>(s.group);
  t.scale = copied_scales(s);
  quant::unpack_integers({*s.layout, t.rows, t.cols, s.data->data, t.scale, t.group}, t.q);
  return t;
}

Ternary regrouped(const Ternary& t, size_t group) {
  if (group == t.group) return t;
  Ternary out{t.rows, t.cols, group, t.q, {}};
  const size_t from = t.group == 0 ? t.cols : t.group, to = group == 0 ? t.cols : group;
  const size_t groups = quant::group_count(t.cols, t.group);
  out.scale.reserve(t.rows * quant::group_count(t.cols, group));
  for (size_t r = 0; r < t.rows; ++r) {
    for (size_t first = 0; first < t.cols; first += to) {
      // The scale of the first weight that is not zero, or of the first.
      uint16_t scale = t.scale[r * groups + first / from];
      bool bound = false;
      for (size_t c = first; c < std::min(first + to, t.cols); ++c) {
        if (t.q[r * t.cols + c] == 0) continue;
        const uint16_t here = t.scale[r * groups + c / from];
        if (bound && here != scale)
          throw Error("expected one scale for inputs that share one, found several: a group of " +
                      std::to_string(from) + " keeps them");
        scale = here;
        bound = true;
      }
      out.scale.push_back(scale);
    }
  }
  return out;
}

}  // namespace sterna::models
