#pragma once

#include <span>
#include <string_view>

#include "sterna/models/quantize.h"

namespace sterna::models {

/// Whether `text` matches `pattern`, where * stands for any text and ? for one byte.
bool glob_matches(std::string_view pattern, std::string_view text) noexcept;

/// The first rule that matches a tensor's name, or nullptr.
const QuantizeRule* find_rule(std::span<const QuantizeRule> rules, std::string_view name) noexcept;

}  // namespace sterna::models
