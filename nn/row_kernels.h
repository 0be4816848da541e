#pragma once

#include <sterna/quant/isa.h>

#include <cstddef>
#include <cstdint>

namespace sterna::nn {

/// A bfloat16, which has half's size and not its type.
struct Bf16 {
  uint16_t bits;
};

/// One of ggml's q4_0 blocks (quant/ggml_blocks.h): 32 weights.
struct Q4Block {
  static constexpr size_t kWeights = 32;
  uint16_t d;  // fp16
  uint8_t codes[16];
};
static_assert(sizeof(Q4Block) == 18);

/// Maps over one stored row; `row` is float, half, bfloat16, int8 (without its scale) or q4_0
/// blocks (n is a multiple of 32). Sums run over 16 lanes and end in the same tree on every
/// instruction set.
struct RowKernels {
  struct Dot {
    float dot;     // sum x * row
    float square;  // sum row * row
  };
  template <class T>
  struct Of {
    void (*add)(const T* row, float factor, size_t n, float* y) noexcept;  // y += factor * row
    Dot (*dot)(const T* row, const float* x, size_t n) noexcept;
  };
  Of<float> f32;
  Of<uint16_t> f16;
  Of<Bf16> bf16;
  Of<int8_t> i8;
  Of<Q4Block> q4;
  /// Of the 16 rows of a t5 panel (quant/formats.h) of k columns, scales left out: dot[r] = x . row
  /// r, summed from the left, and square[r] = row r . row r.
  void (*t5_panel)(const uint8_t* panel, size_t k, const float* x, float* dot,
                   float* square) noexcept;
};

/// The kernels of `isa`, or the portable ones if this build has none for it.
const RowKernels& row_kernels(quant::Isa isa) noexcept;

#if defined(__x86_64__)
const RowKernels& row_kernels_avx2() noexcept;
const RowKernels& row_kernels_avx512() noexcept;
#elif defined(__aarch64__)
const RowKernels& row_kernels_neon() noexcept;
#endif

}  // namespace sterna::nn
