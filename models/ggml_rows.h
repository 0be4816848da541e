#pragma once

#include <sterna/models/gguf.h>

#include <cstddef>
#include <vector>

#include "stored.h"

namespace sterna::models {

/// That the numbers of a tensor can be read: f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0, tq1_0
/// or tq2_0. Throws sterna::Error naming the tensor for another type.
void expect_numbers(const GgufTensor& tensor);

/// Rows [first, first + count) of a matrix [m, k]. Throws as expect_numbers().
std::vector<float> read_rows(const GgufTensor& tensor, size_t first, size_t count);

/// All numbers of a tensor, whatever it is stored as. Throws as expect_numbers().
std::vector<float> read_all(const StoredTensor& tensor);

}  // namespace sterna::models
