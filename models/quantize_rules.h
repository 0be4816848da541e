#pragma once

#include <span>
#include <string_view>

#include "sterna/models/quantize.h"
#include "uses.h"

namespace sterna::models {

/// Whether `text` matches `pattern`, where * stands for any text and ? for one byte.
bool glob_matches(std::string_view pattern, std::string_view text) noexcept;

/// What a rule can ask for.
struct Format {
  std::string_view name;
  bool layout = false;     // of quant's, for linear maps
  bool groups = false;     // inputs may share a scale in groups
  bool row_table = false;  // for tables that are looked up by row
  size_t block = 0;        // of ggml's: weights of a block, for linear maps
};
/// Throws sterna::Error that names those there are.
const Format& format_of(std::string_view type);

/// The first rule that matches a tensor's name, or what it is there for where that is known; or
/// nullptr.
const QuantizeRule* find_rule(std::span<const QuantizeRule> rules, std::string_view name,
                              const Role* role = nullptr) noexcept;

/// Whether any rule names tensors by what they are there for.
bool has_words(std::span<const QuantizeRule> rules) noexcept;

}  // namespace sterna::models
