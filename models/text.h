#pragma once

#include <sterna/quant/error.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sterna::models {

/// `text` in double quotes, fit for a one-line message: control characters, quotes and bytes that
/// aren't UTF-8 as \xNN, and no more than about 80 bytes of it.
std::string in_quotes(std::string_view text);

/// Throws sterna::Error "FILE: embedding: expected finite numbers, found nan" if it holds another:
/// weights that are no numbers, or far too large, would else become answers.
void check_embedding(std::string_view file, std::span<const float> embedding);

/// "[768, 2304]".
std::string shape_text(std::span<const uint64_t> shape);

}  // namespace sterna::models
