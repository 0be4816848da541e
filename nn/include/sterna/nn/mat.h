#pragma once

#include <cassert>
#include <cstddef>

namespace sterna::nn {

/// A row-major rank-2 view: `rows` rows of `cols` elements, `stride` elements apart. Does not own
/// its memory; heads and batches are offsets into one.
template <class T>
struct Mat {
  T* data = nullptr;
  size_t rows = 0;
  size_t cols = 0;
  size_t stride = 0;

  Mat() = default;
  Mat(T* d, size_t r, size_t c) : data(d), rows(r), cols(c), stride(c) {}
  Mat(T* d, size_t r, size_t c, size_t s) : data(d), rows(r), cols(c), stride(s) {}
  /// Mat<float> -> Mat<const float>.
  operator Mat<const T>() const { return {data, rows, cols, stride}; }

  T* row(size_t i) const {
    assert(i < rows);
    return data + i * stride;
  }
  /// Rows [first, first + count).
  Mat slice_rows(size_t first, size_t count) const {
    assert(first + count <= rows);
    return {data + first * stride, count, cols, stride};
  }
  /// Columns [first, first + count): a head of an attention, a third of a fused qkv.
  Mat slice_cols(size_t first, size_t count) const {
    assert(first + count <= cols);
    return {data + first, rows, count, stride};
  }
};

}  // namespace sterna::nn
