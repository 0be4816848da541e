#pragma once

#include <sterna/vision/efficientnet.h>

#include <algorithm>
#include <cstddef>

#include "conv_kernels.h"

namespace sterna::vision {

inline constexpr size_t kConvKernel = 3, kConvStride = 2, kColours = 3;

// The wide middle of a block is worked out in bands of about this many bytes, so that it is read
// back from a core's own cache (1-2 MiB of L2 on today's servers, shared with weights and output).
inline constexpr size_t kBandBytes = size_t{320} << 10;
// A band's middle keeps the rows that it shares with the one before: few rows at a time would be
// copied as often as they are worked out.
inline constexpr size_t kBandRows = 3;  // of output, at least

// Of what the first block hands to the second no more than this lies in memory.
inline constexpr size_t kStripeBytes = size_t{1400} << 10;

/// The first convolution. Its output is the largest map of all: where the first block does nothing
/// before its depthwise one, it is worked out band by band and never lies in memory whole.
struct EfficientNet::Opening {
  ConvShape shape;
  PixelRows pixels;

  /// Floats of the pixels that n rows of output read, at most.
  size_t scratch(size_t n) const {
    return ((n - 1) * kConvStride + kConvKernel) * shape.w * kColours;
  }
};

/// An inverted residual at one place of the network: its input map is h x w.
struct EfficientNet::Step {
  const Layer& layer;
  const Opening* opening;  // in the place of x, or nullptr
  size_t h, w;
  ConvShape shape{h, w, layer.wide, layer.kernel, layer.stride, layer.wide};

  size_t oh() const { return shape.oh(); }
  size_t ow() const { return shape.ow(); }
  /// Rows of the wide middle in a band.
  size_t rows() const {
    return std::max(kBandBytes / (w * layer.wide * sizeof(float)),
                    layer.kernel + (kBandRows - 1) * layer.stride);
  }
  bool whole() const { return 2 * rows() >= h; }
  /// The block after this one.
  Step then(const Layer& next) const { return {next, nullptr, oh(), ow()}; }
  /// Whether both are worked out in bands, and what lies between them is better not in memory
  /// whole.
  bool stripes_with(const Step& next) const {
    return !whole() && !next.whole() && oh() * ow() * layer.out * sizeof(float) > kStripeBytes;
  }
};

}  // namespace sterna::vision
