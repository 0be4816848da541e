#include "gptq.h"

#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "gptq_rounding.h"

namespace sterna::models {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using RowMajorF = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr double kDamping = 0.01;
constexpr int kRefits = 4;

Index index(size_t n) { return static_cast<Index>(n); }

bool finite(double v) { return std::isfinite(v); }

/// Columns by rising variance: the last, which has all the others to make up for it, goes first. Of
/// patterns, fours by the sum of theirs, and what fills none before them.
std::vector<Index> order_of(const VectorXd& variance, bool patterns) {
  const Index k = variance.size(), each = patterns ? 4 : 1;
  std::vector<Index> block(static_cast<size_t>(k / each));
  std::iota(block.begin(), block.end(), Index{0});
  const auto weight = [&](Index b) { return variance.segment(b * each, each).sum(); };
  std::stable_sort(block.begin(), block.end(),
                   [&](Index a, Index b) { return weight(a) < weight(b); });
  std::vector<Index> order;
  for (Index j = k / each * each; j < k; ++j) order.push_back(j);
  for (const Index b : block)
    for (Index j = 0; j < each; ++j) order.push_back(b * each + j);
  return order;
}

/// The scales [m, groups] of quant::pack().
MatrixXd packed_scales(std::span<const float> w, size_t m, size_t k, size_t group,
                       quant::Type type) {
  const std::vector<uint16_t> scale = quant::pack(type, w, m, k, group).scale;
  MatrixXd s(index(m), index(quant::group_count(k, group)));
  for (Index r = 0, i = 0; r < s.rows(); ++r)
    for (Index g = 0; g < s.cols(); ++g, ++i)
      s(r, g) = static_cast<double>(quant::f16_to_f32(scale[static_cast<size_t>(i)]));
  return s;
}

}  // namespace

Rounded gptq(std::span<const float> w, size_t m, size_t k, std::span<const double> h,
             size_t group, quant::Type type) {
  const Grid grid = grid_of(type);
  if (w.size() != m * k || h.size() != k * k || m == 0 || k == 0) {
    throw Error("calibrated rounding: expected weights [" + std::to_string(m) + ", " +
                std::to_string(k) + "] and moments [k, k], found " + std::to_string(w.size()) +
                " and " + std::to_string(h.size()) + " numbers");
  }
  if (!std::all_of(w.begin(), w.end(), finite) || !std::all_of(h.begin(), h.end(), finite))
    throw Error("calibrated rounding: expected finite numbers");
  if (group != 0 && group != 64 && group != 128 && group != 256) {
    throw Error("calibrated rounding: expected group 0, 64, 128 or 256, found " +
                std::to_string(group));
  }
  const Eigen::Map<const RowMajorF> natural(w.data(), index(m), index(k));
  Eigen::Map<const MatrixXd> moments(h.data(), index(k), index(k));
  const VectorXd variance = moments.diagonal();
  const double damping = kDamping * variance.mean();

  const std::vector<Index> order = order_of(variance, !grid.patterns.empty());
  MatrixXd damped = MatrixXd::Identity(index(k), index(k));
  if (damping > std::numeric_limits<double>::min()) {
    damped = damping * damped + moments(order, order);
  }
  const Eigen::LLT<MatrixXd> cholesky(damped);
  if (cholesky.info() != Eigen::Success)
    throw Error("calibrated rounding: expected positive semidefinite moments");
  const MatrixXd l = cholesky.matrixL();

  const MatrixXd ordered = natural.cast<double>()(Eigen::all, order);
  const Index step = group == 0 ? index(k) : index(group);
  const Rounding rounding(ordered, l, step, order, grid, packed_scales(w, m, k, group, type));
  Candidate best = rounding.nearest(rounding.scales(1.0));
  Rounded out;
  out.nearest = best.cost.sum();
  // Rounding and refitting in turns: each lowers the cost of the scales the other left.
  Candidate turn = best;
  for (int i = 0; grid.ternary && i < kRefits; ++i) {
    rounding.refit(turn);
    Rounding::take_better(turn, best);
    turn = rounding.nearest(turn.s);
  }
  out.refitted = best.cost.sum();
  for (const double factor : grid.factors) {
    Candidate c = rounding.feed_back(rounding.scales(factor));
    if (grid.ternary) rounding.refit(c);
    Rounding::take_better(c, best);
  }
  out.error = best.cost.sum();

  out.q.resize(m * k);
  for (size_t j = 0; j < k; ++j) {
    const auto column = static_cast<size_t>(order[j]);
    for (size_t r = 0; r < m; ++r)
      out.q[r * k + column] = static_cast<int8_t>(best.q(index(r), index(j)));
  }
  for (Index r = 0; r < best.s.rows(); ++r)
    for (Index g = 0; g < best.s.cols(); ++g)
      out.scale.push_back(quant::f32_to_f16(static_cast<float>(best.s(r, g))));
  return out;
}

}  // namespace sterna::models
