#pragma once

#include <string_view>

namespace sterna::models {

/// Whether `text` matches `pattern`, where * stands for any text and ? for one byte.
bool glob_matches(std::string_view pattern, std::string_view text) noexcept;

}  // namespace sterna::models
