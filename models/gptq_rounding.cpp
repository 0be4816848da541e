#include "gptq_rounding.h"

#include <sterna/quant/error.h>
#include <sterna/quant/half.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace sterna::models {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using RowMajorD = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Columns between two updates of those to come by a matrix product.
constexpr Index kColumns = 64;
// i8 has room: clipping pays only for outliers.
constexpr double kClips[] = {1.0, 0.97, 0.94, 0.91, 0.87, 0.83, 0.78, 0.72};
// The mean magnitude of normal weights is 0.80 sigma, the scale of least squares for three levels
// 1.22 sigma (Li et al., arXiv 1605.04711), a factor of 1.53; trained ternary rows want less.
constexpr double kTernary[] = {1.0, 0.85, 1.15, 1.3, 1.45, 1.6, 1.8, 2.05};

double as_half(double s) {
  const auto wanted = static_cast<float>(std::clamp(s, 0.0, 65504.0));
  return static_cast<double>(quant::f16_to_f32(quant::f32_to_f16(wanted)));
}

double rounded(double w, double s, double limit) {
  return s > 0 ? std::clamp(std::nearbyint(w / s), -limit, limit) : 0.0;
}

/// All that four neighbours may be: one zero and three signs, or three zeros and one sign.
std::vector<std::array<double, 4>> patterns_of(quant::Type type) {
  std::vector<std::array<double, 4>> patterns;
  const bool most = type == quant::Type::t34;
  for (size_t at = 0; at < 4; ++at) {
    for (unsigned signs = 0; signs < (most ? 8U : 2U); ++signs) {
      std::array<double, 4> p{};
      unsigned bit = 0;
      for (size_t i = 0; i < 4; ++i)
        if ((i == at) != most) p[i] = (signs >> bit++ & 1) != 0 ? -1 : 1;
      patterns.push_back(p);
    }
  }
  return patterns;
}

/// Whether pack() takes a pattern for the first n < 4 of a row's end: of t34 the zero lies beyond
/// it, of t14 the weight within.
bool packs(const std::array<double, 4>& pattern, Index n) {
  const auto kept = [&](Index count) {
    return std::count_if(pattern.begin(), pattern.begin() + count, [](double p) { return p != 0; });
  };
  return kept(n) == (kept(4) == 3 ? n : 1);
}

}  // namespace

Grid grid_of(quant::Type type) {
  switch (type) {
    case quant::Type::i8:
      return {127, false, kClips};
    case quant::Type::t2:
    case quant::Type::t5:
      return {1, true, kTernary};
    case quant::Type::t34:
    case quant::Type::t14:
      return {1, true, kTernary, patterns_of(type)};
    default:
      throw Error("calibrated rounding: expected i8, t2, t5, t34 or t14, found " +
                  std::string(quant::name(type)));
  }
}

/// How many columns before `end` are rounded together, none of them before `begin`.
Index Rounding::together(Index end, Index begin) const {
  return grid_.patterns.empty() ? 1 : std::min<Index>(4, end - begin);
}

/// Integers of columns [first, first + n): those that add least to the cost, given what is carried
/// to each from those behind them. `triangle`: also from one of them to another, else weights are
/// taken as they are. Writes c.q and e.
void Rounding::choose(Index first, Index n, const MatrixXd& carried, bool triangle, Candidate& c,
                      MatrixXd& e) const {
  if (grid_.patterns.empty()) {
    const auto scale = c.s.col(group(first));
    VectorXd wanted = w_.col(first);
    if (triangle) wanted += carried.col(first) / l_(first, first);
    c.q.col(first) = wanted.binaryExpr(
        scale, [this](double x, double y) { return rounded(x, y, grid_.limit); });
    e.col(first) = w_.col(first) - c.q.col(first).cwiseProduct(scale);
    return;
  }
  for (Index r = 0; r < w_.rows(); ++r) {
    double least = std::numeric_limits<double>::infinity();
    for (const auto& pattern : grid_.patterns) {
      if (n < 4 && !triangle && !packs(pattern, n)) continue;
      std::array<double, 4> wrong{};
      double cost = 0;
      for (Index i = n - 1; i >= 0; --i) {
        const Index j = first + i;
        wrong[static_cast<size_t>(i)] =
            w_(r, j) - pattern[static_cast<size_t>(i)] * c.s(r, group(j));
        double t = wrong[static_cast<size_t>(i)];
        if (triangle) {
          t = carried(r, j);
          for (Index o = i; o < n; ++o) t += wrong[static_cast<size_t>(o)] * l_(first + o, j);
        }
        cost += t * t;
      }
      if (cost >= least) continue;
      least = cost;
      for (Index i = 0; i < n; ++i) {
        c.q(r, first + i) = pattern[static_cast<size_t>(i)];
        e(r, first + i) = wrong[static_cast<size_t>(i)];
      }
    }
  }
}

MatrixXd Rounding::scales(double factor) const {
  return packed_.unaryExpr([factor](double s) { return as_half(factor * s); });
}

Candidate Rounding::nearest(const MatrixXd& s) const {
  Candidate c{MatrixXd(w_.rows(), w_.cols()), s, {}};
  MatrixXd e(w_.rows(), w_.cols());
  for (Index end = w_.cols(); end > 0;) {
    const Index n = together(end, 0);
    choose(end -= n, n, e, false, c, e);
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
    for (Index last = end; last > begin;) {
      const Index n = together(last, begin), first = last - n, behind = end - last;
      for (Index j = first; j < last; ++j)
        carried.col(j).noalias() += e.middleCols(last, behind) * l_.col(j).segment(last, behind);
      choose(first, n, carried, true, c, e);
      for (Index j = first; j < last; ++j) {
        VectorXd t = carried.col(j);
        for (Index o = j; o < last; ++o) t += e.col(o) * l_(o, j);
        c.cost += t.cwiseAbs2();
      }
      last = first;
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

}  // namespace sterna::models
