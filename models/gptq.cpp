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

namespace sterna::models {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using RowMajorD = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using RowMajorF = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Columns between two updates of those to come by a matrix product.
constexpr Index kColumns = 64;
constexpr double kDamping = 0.01;
/// The integers of a type, and where its scales are looked for.
struct Grid {
  double limit;                     // integers go from -limit to limit
  bool mean;                        // pack()'s scale is the mean magnitude, else the largest
  std::span<const double> factors;  // of pack()'s scale
};
// i8 has room: clipping pays only for outliers.
constexpr double kClips[] = {1.0, 0.97, 0.94, 0.91, 0.87, 0.83, 0.78, 0.72};
// The mean magnitude of normal weights is 0.80 sigma, the scale of least squares for three levels
// 1.22 sigma (Li et al., arXiv 1605.04711), a factor of 1.53; trained ternary rows want less.
constexpr double kTernary[] = {1.0, 0.85, 1.15, 1.3, 1.45, 1.6, 1.8, 2.05};
constexpr int kRefits = 4;

Grid grid_of(quant::Type type) {
  switch (type) {
    case quant::Type::i8:
      return {127, false, kClips};
    case quant::Type::t2:
    case quant::Type::t5:
      return {1, true, kTernary};
    default:
      throw Error("calibrated rounding: expected i8, t2 or t5, found " +
                  std::string(quant::name(type)));
  }
}

Index index(size_t n) { return static_cast<Index>(n); }

bool finite(double v) { return std::isfinite(v); }

double as_half(double s) {
  const auto wanted = static_cast<float>(std::clamp(s, 0.0, 65504.0));
  return static_cast<double>(quant::f16_to_f32(quant::f32_to_f16(wanted)));
}

double rounded(double w, double s, double limit) {
  return s > 0 ? std::clamp(std::nearbyint(w / s), -limit, limit) : 0.0;
}

/// Integers, scales [m, groups] and cost a row.
struct Candidate {
  MatrixXd q, s;
  VectorXd cost;
};

/// One map to be rounded, its columns in the order of gptq().
class Rounding {
 public:
  Rounding(const MatrixXd& w, const MatrixXd& l, Index step, const std::vector<Index>& order,
           const Grid& grid)
      : w_(w), l_(l), step_(step), groups_((w.cols() + step - 1) / step), order_(order),
        grid_(grid) {}

  /// The scales of pack(), times `factor`, as fp16 holds them.
  MatrixXd scales(double factor) const;
  /// Every weight to the nearest integer.
  Candidate nearest(const MatrixXd& s) const;
  /// Columns from the last to the first, each moved by what those behind it got wrong.
  Candidate feed_back(const MatrixXd& s) const;
  /// The same integers with the scales of least squares, where that is better.
  void refit(Candidate& c) const;
  /// Rows of `c` that cost less take the place of those of `best`.
  static void take_better(const Candidate& c, Candidate& best);

 private:
  Index group(Index j) const { return order_[static_cast<size_t>(j)] / step_; }
  Eigen::ArrayXd round(const VectorXd& w, const VectorXd& s) const {
    return w.binaryExpr(s, [this](double x, double y) { return rounded(x, y, grid_.limit); });
  }

  const MatrixXd& w_;
  const MatrixXd& l_;
  Index step_, groups_;
  const std::vector<Index>& order_;
  const Grid& grid_;
};

MatrixXd Rounding::scales(double factor) const {
  MatrixXd s = MatrixXd::Zero(w_.rows(), groups_);
  VectorXd count = VectorXd::Zero(groups_);
  for (Index j = 0; j < w_.cols(); ++j) {
    const auto size = w_.col(j).cwiseAbs();
    count(group(j)) += 1;
    if (grid_.mean) {
      s.col(group(j)) += size;
    } else {
      s.col(group(j)) = s.col(group(j)).cwiseMax(size);
    }
  }
  for (Index g = 0; g < groups_; ++g) {
    s.col(g) = s.col(g).unaryExpr([&](double x) {
      return grid_.mean ? as_half(factor * x / count(g))
                        : as_half(static_cast<double>(static_cast<float>(x * factor) /
                                                      static_cast<float>(grid_.limit)));
    });
  }
  return s;
}

Candidate Rounding::nearest(const MatrixXd& s) const {
  Candidate c{MatrixXd(w_.rows(), w_.cols()), s, {}};
  MatrixXd e(w_.rows(), w_.cols());
  for (Index j = 0; j < w_.cols(); ++j) {
    const auto scale = s.col(group(j));
    c.q.col(j) = round(w_.col(j), scale);
    e.col(j) = w_.col(j) - c.q.col(j).cwiseProduct(scale);
  }
  c.cost = (e * l_.triangularView<Eigen::Lower>()).rowwise().squaredNorm();
  return c;
}

Candidate Rounding::feed_back(const MatrixXd& s) const {
  const Index m = w_.rows(), k = w_.cols();
  Candidate c{MatrixXd(m, k), s, VectorXd::Zero(m)};
  MatrixXd e(m, k), carried = MatrixXd::Zero(m, k);  // carried_j = sum of e_i L_ij, i > j
  for (Index end = k; end > 0;) {
    const Index begin = std::max<Index>(0, end - kColumns);
    for (Index j = end - 1; j >= begin; --j) {
      const Index behind = end - j - 1;
      carried.col(j).noalias() += e.middleCols(j + 1, behind) * l_.col(j).segment(j + 1, behind);
      const auto scale = s.col(group(j));
      c.q.col(j) = round(w_.col(j) + carried.col(j) / l_(j, j), scale);
      e.col(j) = w_.col(j) - c.q.col(j).cwiseProduct(scale);
      c.cost += (carried.col(j) + e.col(j) * l_(j, j)).cwiseAbs2();
    }
    carried.leftCols(begin).noalias() +=
        e.middleCols(begin, end - begin) * l_.block(begin, 0, end - begin, begin);
    end = begin;
  }
  return c;
}

void Rounding::refit(Candidate& c) const {
  // In the space of L, a row is wanted = w L, and its group g gives part_g = q_g L.
  const MatrixXd wanted = w_ * l_.triangularView<Eigen::Lower>();
  const MatrixXd whole =
      groups_ == 1 ? MatrixXd(c.q * l_.triangularView<Eigen::Lower>()) : MatrixXd();
  const RowMajorD l = groups_ == 1 ? RowMajorD() : RowMajorD(l_);
  RowMajorD parts(groups_, w_.cols());
  for (Index r = 0; r < w_.rows(); ++r) {
    if (groups_ == 1) {
      parts = whole.row(r);
    } else {
      parts.setZero();
      for (Index j = 0; j < w_.cols(); ++j)
        if (c.q(r, j) != 0) parts.row(group(j)).head(j + 1) += c.q(r, j) * l.row(j).head(j + 1);
    }
    MatrixXd normal = parts * parts.transpose();
    const VectorXd right = parts * wanted.row(r).transpose();
    for (Index g = 0; g < groups_; ++g)
      if (normal(g, g) <= 0) normal(g, g) = 1;  // all its integers are zero
    const VectorXd fitted = normal.ldlt().solve(right);
    // A scale that turns the signs is worth nothing to the kernels.
    if (!fitted.allFinite() || (fitted.array() < 0).any()) continue;
    const Eigen::RowVectorXd s = fitted.transpose().unaryExpr(&as_half);
    const double cost = (wanted.row(r) - s * parts).squaredNorm();
    if (cost >= c.cost(r)) continue;
    c.cost(r) = cost;
    c.s.row(r) = s;
  }
}

void Rounding::take_better(const Candidate& c, Candidate& best) {
  for (Index r = 0; r < c.cost.size(); ++r) {
    if (c.cost(r) >= best.cost(r)) continue;
    best.cost(r) = c.cost(r);
    best.q.row(r) = c.q.row(r);
    best.s.row(r) = c.s.row(r);
  }
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

  // Columns by rising variance: the last, which has all the others to make up for it, goes first.
  std::vector<Index> order(k);
  std::iota(order.begin(), order.end(), Index{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](Index a, Index b) { return variance(a) < variance(b); });
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
  const Rounding rounding(ordered, l, step, order, grid);
  Candidate best = rounding.nearest(rounding.scales(1.0));
  Rounded out;
  out.nearest = best.cost.sum();
  // Rounding and refitting in turns: each lowers the cost of the scales the other left.
  Candidate turn = best;
  for (int i = 0; grid.mean && i < kRefits; ++i) {
    rounding.refit(turn);
    Rounding::take_better(turn, best);
    turn = rounding.nearest(turn.s);
  }
  out.refitted = best.cost.sum();
  for (const double factor : grid.factors) {
    Candidate c = rounding.feed_back(rounding.scales(factor));
    if (grid.mean) rounding.refit(c);
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
