#pragma once

#include <sterna/nn/workspace.h>
#include <sterna/vision/resize.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "resample.h"

namespace sterna::vision {

/// Weights of outputs [begin, begin + n) of an axis of `in` inputs and `out` outputs, in memory of
/// `workspace`. Rounding::pillow keeps 22 fractional bits; Rounding::torch as many as let the
/// largest weight of the whole axis fit 16 bits, which are then shifted to 22: the same sums.
Axis make_axis(size_t in, size_t out, size_t begin, size_t n, Filter filter, Rounding rounding,
               const ResampleKernels& kernels, nn::Workspace& workspace);

/// For Filter::nearest: the input of each of `out` outputs. Positions are added up in double as
/// Pillow's ImagingScaleAffine does.
void nearest_places(size_t in, size_t out, std::span<uint32_t> places);

}  // namespace sterna::vision
