#pragma once

#include <cstddef>
#include <span>

namespace sterna::predictor {

inline constexpr size_t kLayout = 8;

/// Where and in how many parts the places lie that a pointer points at, out [kLayout], from its
/// scores s of a grid of places, row by row, `columns` to a row. With beta = softmax(s):
///   mean column and row (-2.5 at the left and upper edge, 2.5 at the other), their standard
///   deviations in quarters of the picture, entropy of beta by that of equal shares, and three soft
///   counts of the local maxima, sum w_i exp(4 (s_i - largest s of the 3 x 3 places about i)) with
///   w_i = sigmoid(s_i), r_i = beta_i / max beta, or min(1, 2 r_i).
/// Place `absent` of the grid is not among the scores: where it is, the grid has a hole (SIZE_MAX:
/// none). `columns` 0 (no grid is known) gives zeros. tools/train/found.py `layout`.
void layout(std::span<const float> score, size_t columns, size_t absent, float* out);

}  // namespace sterna::predictor
