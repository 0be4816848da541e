#pragma once

#include <sterna/nn/mat.h>

#include <cstddef>
#include <cstdint>

namespace sterna::vision {

/// Numbers that describe the colours of one cell: mean RGB, standard deviation, histogram.
inline constexpr size_t kColourBins = 27;
inline constexpr size_t kColourFeatures = 3 + 3 + kColourBins;

/// The histogram bin of an 8-bit RGB pixel, in integers alone so that every implementation agrees.
/// Chroma c = max - min. Greyish (c < 24 or c < 15 % of max): 0 dark (max < 64), 1 middle (< 192),
/// 2 light. Otherwise 3 + 2 * hue + (max < 128 ? 0 : 1) with the hue of HSV in twelfths of a turn,
/// rounded down.
size_t colour_bin(int r, int g, int b) noexcept;

/// Colour statistics of the cell x cell pixels at `rgb` (packed RGB, rows `stride` bytes apart):
/// out [33] = mean / 255 (3), population standard deviation / 255 (3), share of each bin (27).
void colour_statistics(const uint8_t* rgb, size_t stride, size_t cell, float* out) noexcept;

}  // namespace sterna::vision
