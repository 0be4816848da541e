#pragma once

#include <sterna/quant/isa.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace sterna::nn {

/// A table of vectors that is read by row, as it lies in a model file: float, half, bfloat16, or
/// int8 with one fp16 scale a row. Owns nothing. Results are bit-equal on every instruction set: sums run
/// over 16 lanes (element i goes to lane i mod 16) that are then added in a fixed order.
class RowTable {
 public:
  RowTable() = default;
  /// Row-major [rows, cols]. Throw sterna::Error if the spans have other sizes.
  RowTable(std::span<const float> data, size_t rows, size_t cols,
           quant::Isa isa = quant::best_isa());
  static RowTable half(std::span<const uint16_t> data, size_t rows, size_t cols,
                       quant::Isa isa = quant::best_isa());
  static RowTable bf16(std::span<const uint16_t> data, size_t rows, size_t cols,
                       quant::Isa isa = quant::best_isa());
  static RowTable int8(std::span<const int8_t> data, std::span<const uint16_t> scale, size_t rows,
                       size_t cols, quant::Isa isa = quant::best_isa());

  size_t rows() const { return rows_; }
  size_t cols() const { return cols_; }

  /// y [cols] += factor * row `i`.
  void add(size_t i, float factor, float* y) const noexcept;
  /// out[j] = x . row(first + j) / |row(first + j)|, and 0 for a row of zeros. x [cols].
  void cosines(const float* x, size_t first, size_t count, float* out) const noexcept;

 private:
  enum class Kind { f32, f16, bf16, i8 };
  RowTable(Kind kind, const void* data, std::span<const uint16_t> scale, size_t found, size_t rows,
           size_t cols, quant::Isa isa);

  Kind kind_ = Kind::f32;
  const void* data_ = nullptr;
  const uint16_t* scale_ = nullptr;
  size_t rows_ = 0, cols_ = 0;
  const struct RowKernels* kernels_ = nullptr;
};

}  // namespace sterna::nn
