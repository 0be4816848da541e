#pragma once

#include <cstddef>
#include <string_view>

namespace sterna::language {

/// Bytes of the extended grapheme cluster (UAX 29, rules GB3 to GB13) at the front of non-empty
/// `text` (UTF-8), as the unicode-segmentation crate cuts it; but pairs of regional indicators
/// count as two, which no charsmap can tell.
size_t grapheme_size(std::string_view text);

}  // namespace sterna::language
