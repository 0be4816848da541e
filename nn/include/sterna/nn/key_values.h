#pragma once

#include <sterna/nn/mat.h>

#include <cstddef>

namespace sterna::nn {

/// Keys and values of the positions that causal sequences have run through, of one block: room for
/// `capacity` positions of each of `sequences`. The memory is the caller's.
struct KeyValues {
  Mat<float> rows;  // [sequences * capacity, 2 w]: keys, then values, each w wide
  size_t capacity = 0;
  size_t past = 0;  // positions that each sequence has behind it

  Mat<float> sequence(size_t i, size_t count) const {
    return rows.slice_rows(i * capacity, count);
  }
};

}  // namespace sterna::nn
