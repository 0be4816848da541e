#include "resample.h"

#include <cstring>

namespace sterna::vision {
namespace {

uint8_t clip8(uint32_t sum) {
  const int32_t v = static_cast<int32_t>(sum) >> kPrecision;
  return static_cast<uint8_t>(v < 0 ? 0 : v > 255 ? 255 : v);
}

void pack(const int32_t* weights, int32_t* words) {
  std::memcpy(words, weights, kTapGroup * sizeof(int32_t));
}

void horizontal(const Axis& axis, const uint8_t* const* in, uint8_t* const* out,
                size_t rows) noexcept {
  for (size_t r = 0; r < rows; ++r) {
    for (size_t i = 0; i < axis.size; ++i) {
      const int32_t* w = axis.weights(i);
      const uint8_t* p = in[r] + static_cast<size_t>(axis.first[i]) * 3;
      uint32_t sum[3] = {1U << (kPrecision - 1), 1U << (kPrecision - 1), 1U << (kPrecision - 1)};
      for (int32_t t = 0; t < axis.count[i]; ++t, p += 3) {
        for (int c = 0; c < 3; ++c) sum[c] += static_cast<uint32_t>(w[t]) * p[c];
      }
      for (size_t c = 0; c < 3; ++c) out[r][i * 3 + c] = clip8(sum[c]);
    }
  }
}

void vertical(const int32_t* weights, size_t groups, const uint8_t* const* rows, uint8_t* out,
              size_t n) noexcept {
  for (size_t x = 0; x < n; ++x) {
    uint32_t sum = 1U << (kPrecision - 1);
    for (size_t t = 0; t < groups * kTapGroup; ++t) {
      sum += static_cast<uint32_t>(weights[t]) * rows[t][x];
    }
    out[x] = clip8(sum);
  }
}

}  // namespace

const ResampleKernels kResampleScalar{kTapGroup, pack, horizontal, vertical};

const ResampleKernels* resample_kernels(quant::Isa isa) noexcept {
  switch (vector_isa(isa)) {
#if defined(__x86_64__)
    case quant::Isa::avx2:
      return &kResampleAvx2;
    case quant::Isa::avx512:
      return &kResampleAvx512;
#endif
    default:
      return &kResampleScalar;
  }
}

}  // namespace sterna::vision
