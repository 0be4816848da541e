#pragma once

#include <sterna/quant/linear.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sterna::models {

/// Integer weights for a linear map: values q * scale.
struct Rounded {
  std::vector<int8_t> q;        // [m, k] row-major, within the type's limits
  std::vector<uint16_t> scale;  // fp16 [m, groups]
  double error = 0;    // E |(W - Q) x|^2 over the inputs that H stands for, damping included
  double nearest = 0;  // the same for quant::pack()'s rounding to nearest
  double refitted = 0;  // of ternary types: rounding to nearest, scales of least squares
};

/// Rounds W [m, k] (row-major) to i8, t2, t5, t34 or t14 so that the outputs, not the weights, err
/// least:
///   min over q of sum_r e_r H e_r^T,   e = W - q * scale,   H = covariance of the inputs [k, k].
/// GPTQ (Frantar et al., arXiv 2210.17323): weights are rounded one column after the other, and the
/// columns yet to come make up for the error made so far. It is written as Babai's nearest plane in
/// the lattice of H's Cholesky factor, which gives the same integers (Chen et al., arXiv
/// 2507.18553): with H = L L^T, e H e^T is the sum over j of (sum_{i >= j} e_i L_ij)^2, so from the
/// last column to the first, q_j = round((w_j + sum_{i > j} e_i L_ij / L_jj) / scale), with no
/// inverse of H. As there, columns of large variance go first, and H is damped by 1 % of its mean
/// diagonal, which also makes it definite; a map whose inputs never vary is rounded to nearest.
///
/// Of t34 and t14, four neighbours are rounded together, to the pattern that adds least to that
/// sum.
///
/// A row's scales are pack()'s times the factor, of several, that leaves the row the least error.
/// Of ternary types, those of least squares follow for the integers that came of it,
/// s = (w H q) / (q H q) or, of several groups, the solution of the normal equations: three levels
/// leave a scale much to say. Rounding to nearest is one candidate, with pack()'s scales and with
/// refitted ones, so no row errs more than by it. `group` as in quant::pack(). Rows are
/// independent. Throws sterna::Error for other sizes, numbers that are not finite, a group that
/// pack() refuses, or a type of floats.
Rounded gptq(std::span<const float> w, size_t m, size_t k, std::span<const double> h,
             size_t group = 0, quant::Type type = quant::Type::i8);

}  // namespace sterna::models
