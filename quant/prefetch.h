#pragma once

#include <sterna/quant/formats.h>

#include <cstddef>

namespace sterna::quant {

/// Asks for the lines of y [.., ldy] that a tile of `tokens` tokens and 16 * kPanels rows will
/// write, so that they come while it multiplies: from memory a line is read before it is written.
/// Inlined by force: GCC 12 takes a function that only prefetches for one without effect, and drops
/// its calls.
template <size_t kPanels>
[[gnu::always_inline]] inline void prefetch_outputs(const float* y, size_t ldy, size_t tokens) {
  for (size_t r = 0; r < kPanels; ++r)
    for (size_t t = 0; t < tokens; ++t) __builtin_prefetch(y + t * ldy + r * kPanelRows);
}

}  // namespace sterna::quant
