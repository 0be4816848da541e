#pragma once

// The two passes of a resize, per ISA.
//
// A weight is a signed integer with 22 fractional bits, |w| < 2^23 (filters peak below 1.3). An
// output byte is clip8((2^21 + sum w * p) >> 22) in 32-bit arithmetic, which cannot overflow:
// sum |w| p < 2 * 2^22 * 255 < 2^31. Sums are exact, so every ISA gives the same bytes in any
// order of addition; intermediate parts may wrap modulo 2^32 since the total does not.

#include <sterna/quant/isa.h>

#include <cstddef>
#include <cstdint>

namespace sterna::vision {

constexpr int kPrecision = 32 - 8 - 2;  // Pillow's PRECISION_BITS

/// Taps a kernel handles together; weights are padded with zeros to a multiple of it.
constexpr size_t kTapGroup = 4;
/// Bytes a horizontal kernel may read past the last pixel of a row.
constexpr size_t kOverread = 16;

/// The weights of one axis: output i takes `count[i]` inputs from `first[i]` on.
struct Axis {
  size_t size = 0;            // outputs
  size_t groups = 0;          // tap groups an output has room for
  int32_t* first = nullptr;   // [size]
  int32_t* count = nullptr;   // [size]
  int32_t* packed = nullptr;  // [size, groups, words] as the kernels want them
  size_t words = 0;           // of a tap group

  const int32_t* weights(size_t i) const { return packed + i * groups * words; }
  size_t used_groups(size_t i) const {
    return (static_cast<size_t>(count[i]) + kTapGroup - 1) / kTapGroup;
  }
};

struct ResampleKernels {
  size_t words;  // int32 words of a packed tap group
  /// Packs four weights.
  void (*pack)(const int32_t* weights, int32_t* words);
  /// One RGB row: `in` readable kOverread bytes past its last pixel; axis.size pixels to `out`.
  /// Handles `rows` (1..4) rows at once.
  void (*horizontal)(const Axis& axis, const uint8_t* const* in, uint8_t* const* out,
                     size_t rows) noexcept;
  /// n output bytes from `groups` groups of rows (4 pointers each, repeats where padded).
  void (*vertical)(const int32_t* weights, size_t groups, const uint8_t* const* rows, uint8_t* out,
                   size_t n) noexcept;
};

/// The kernels of an ISA; the scalar ones where it has none of its own.
const ResampleKernels* resample_kernels(quant::Isa isa) noexcept;

extern const ResampleKernels kResampleScalar;
#if defined(__x86_64__)
extern const ResampleKernels kResampleAvx2;
extern const ResampleKernels kResampleAvx512;
#endif

}  // namespace sterna::vision
