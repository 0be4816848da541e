#pragma once

#include <sterna/quant/formats.h>
#include <sterna/quant/ggml_ternary.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "stored.h"

namespace sterna::models {

/// The blocks of a ggml type or a type's name, where they are ternary.
std::optional<quant::TernaryBlock> ternary_block(GgmlType type) noexcept;
std::optional<quant::TernaryBlock> ternary_block(std::string_view type) noexcept;

/// Whether `s` holds integers -1, 0, +1 with scales: t2, t5, t34, t14, tq1_0 or tq2_0.
bool is_ternary(const StoredTensor& s) noexcept;

/// Such a matrix [rows, cols], apart from any layout. One scale for each `group` inputs (0: a row).
struct Ternary {
  size_t rows, cols, group;
  std::vector<int8_t> q;        // [rows, cols]
  std::vector<uint16_t> scale;  // fp16 [rows, groups]
};
Ternary ternary(const StoredTensor& s);

/// The same weights with another group, where that is exact: a scale may be repeated for the parts
/// of its group, and scales may be merged that are equal or belong to zeros alone. Throws
/// sterna::Error otherwise.
Ternary regrouped(const Ternary& t, size_t group);

}  // namespace sterna::models
