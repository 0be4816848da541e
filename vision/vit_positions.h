#pragma once

#include <sterna/nn/mat.h>
#include <sterna/nn/workspace.h>
#include <sterna/vision/vit.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace sterna::vision {

/// `table` [grid grid, d] brought to out [rows cols, d], pixel centres aligned, in f32, as torch's
/// `interpolate(align_corners=False)` does it. cubic: four taps, a = -0.75, borders repeated.
/// With antialiasing the filter widens by the factor of a reduction, cubic has a = -0.5, and taps
/// beyond the border are left out (torch's `_upsample_bicubic2d_aa`, which follows Pillow).
void interpolate_positions(nn::Mat<const float> table, size_t grid, PositionFilter filter,
                           size_t rows, size_t cols, nn::Mat<float> out, nn::Workspace& workspace);

/// Columns of a head of width c that turn: three groups of 2 ((c / 3) / 2).
size_t video_rope_columns(size_t c);

/// cos and sin [t, video_rope_columns] of tokens by their numbers [t] in a clip of rows x cols
/// patches, for Pairing::neighbours. V-JEPA 2's quirk, where `rope` is not paired: in a group of r
/// columns the angles are tiled (column j has frequency j mod r/2) although neighbours turn
/// together, so the two of a pair turn by different angles.
void fill_video_rope(const VideoRope& rope, size_t rows, size_t cols,
                     std::span<const uint32_t> tokens, nn::Mat<float> cos, nn::Mat<float> sin);

/// cos and sin [rows cols, c] of patches, for Pairing::halves.
void fill_plane_rope(const PlaneRope& rope, size_t rows, size_t cols, nn::Mat<float> cos,
                     nn::Mat<float> sin);

}  // namespace sterna::vision
