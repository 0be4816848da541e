#pragma once

#include <sterna/nn/mat.h>
#include <sterna/vision/vit.h>

#include <cstddef>

namespace sterna::vision {

/// `table` [grid grid, d] brought to out [rows cols, d]: cubic convolution with a = -0.75, borders
/// repeated, pixel centres aligned, no antialiasing; in f32, as torch's
/// `interpolate(mode="bicubic", align_corners=False)` does.
void interpolate_positions(nn::Mat<const float> table, size_t grid, size_t rows, size_t cols,
                           nn::Mat<float> out);

/// Columns of a head of width c that turn: three groups of 2 ((c / 3) / 2).
size_t video_rope_columns(size_t c);

/// cos and sin [t, video_rope_columns] of token numbers 0 .. t - 1, for Pairing::neighbours.
/// V-JEPA 2's quirk: in a group of r columns the angles are tiled (column j has frequency j mod
/// r/2) although neighbours turn together, so the two of a pair turn by different angles.
void fill_video_rope(const VideoRope& rope, nn::Mat<float> cos, nn::Mat<float> sin);

/// cos and sin [rows cols, c] of patches, for Pairing::halves.
void fill_plane_rope(const PlaneRope& rope, size_t rows, size_t cols, nn::Mat<float> cos,
                     nn::Mat<float> sin);

}  // namespace sterna::vision
