#pragma once

#include <sterna/quant/isa.h>
#include <sterna/quant/linear.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace sterna::nn {

/// A table of vectors that is read by row, as it lies in a model file: float, half, bfloat16, int8
/// with one fp16 scale a row, ggml's q4_0 blocks, or one of quant's integer layouts (a row is
/// gathered from its panel byte by byte; cosines to whole panels are fast for t5 with a scale a row
/// alone). Owns nothing.
/// Results are bit-equal on every instruction set: sums run over 16 lanes (element i goes to lane i
/// mod 16) that are then added in a fixed order.
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
  /// `blocks`: cols / 32 blocks a row, at a multiple of 2 bytes; cols is a multiple of 32.
  static RowTable q4_0(std::span<const std::byte> blocks, size_t rows, size_t cols,
                       quant::Isa isa = quant::best_isa());
  /// A matrix of an integer layout, rows and columns as it has them.
  static RowTable packed(const quant::WeightView& matrix, quant::Isa isa = quant::best_isa());

  size_t rows() const { return rows_; }
  size_t cols() const { return cols_; }

  /// y [cols] += factor * row `i`.
  void add(size_t i, float factor, float* y) const noexcept;
  /// out[j] = x . row(first + j) / |row(first + j)|, and 0 for a row of zeros. x [cols].
  void cosines(const float* x, size_t first, size_t count, float* out) const noexcept;

 private:
  enum class Kind { f32, f16, bf16, i8, q4_0, packed };
  RowTable(Kind kind, const void* data, std::span<const uint16_t> scale, size_t found, size_t rows,
           size_t cols, quant::Isa isa);

  /// piece(integers, scale, first column) for the pieces of row `i` of a packed table, in order.
  template <class Piece>
  void for_pieces(size_t i, Piece&& piece) const noexcept;

  /// cosines() of a t5 table with a scale a row.
  void panel_cosines(const float* x, size_t first, size_t count, float* out) const noexcept;

  Kind kind_ = Kind::f32;
  const void* data_ = nullptr;
  const uint16_t* scale_ = nullptr;
  size_t rows_ = 0, cols_ = 0;
  quant::WeightView packed_;
  const struct RowKernels* kernels_ = nullptr;
};

}  // namespace sterna::nn
