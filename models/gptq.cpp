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
using Eigen::MatrixXf;
using Eigen::VectorXd;
using RowMajorF = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Tokens whose products are summed in float before they go into the double sums.
constexpr Index kBatch = 256;
// Columns between two updates of those to come by a matrix product.
constexpr Index kColumns = 64;
constexpr double kDamping = 0.01;
// How much of the largest weight is kept in range. i8 has room: clipping pays only for outliers.
constexpr double kClips[] = {1.0, 0.97, 0.94, 0.91, 0.87, 0.83, 0.78, 0.72};

Index index(size_t n) { return static_cast<Index>(n); }

bool finite(double v) { return std::isfinite(v); }

// The scales [m, groups] of pack(), their range times `clip`, as fp16 holds them.
MatrixXd scales(const MatrixXd& w, Index step, double clip) {
  MatrixXd s(w.rows(), (w.cols() + step - 1) / step);
  for (Index g = 0; g < s.cols(); ++g) {
    const Index begin = g * step, count = std::min(step, w.cols() - begin);
    const VectorXd top = w.middleCols(begin, count).rowwise().lpNorm<Eigen::Infinity>();
    s.col(g) = top.unaryExpr([clip](double t) {
      const float wanted = static_cast<float>(t * clip) / 127;
      return static_cast<double>(quant::f16_to_f32(quant::f32_to_f16(std::min(wanted, 65504.0f))));
    });
  }
  return s;
}

double rounded(double w, double s) {
  return s > 0 ? std::clamp(std::nearbyint(w / s), -127.0, 127.0) : 0.0;
}

/// Integers and their cost a row, for one choice of scales.
struct Candidate {
  MatrixXd q;
  VectorXd cost;
};

Candidate nearest(const MatrixXd& w, const MatrixXd& s, const MatrixXd& l, Index step,
                  const std::vector<Index>& order) {
  Candidate c{MatrixXd(w.rows(), w.cols()), {}};
  MatrixXd e(w.rows(), w.cols());
  for (Index j = 0; j < w.cols(); ++j) {
    const auto scale = s.col(order[static_cast<size_t>(j)] / step);
    c.q.col(j) = w.col(j).binaryExpr(scale, &rounded);
    e.col(j) = w.col(j) - c.q.col(j).cwiseProduct(scale);
  }
  c.cost = (e * l.triangularView<Eigen::Lower>()).rowwise().squaredNorm();
  return c;
}

// Columns from the last to the first, each moved by what those behind it got wrong.
Candidate feed_back(const MatrixXd& w, const MatrixXd& s, const MatrixXd& l, Index step,
                    const std::vector<Index>& order) {
  const Index m = w.rows(), k = w.cols();
  Candidate c{MatrixXd(m, k), VectorXd::Zero(m)};
  MatrixXd e(m, k), carried = MatrixXd::Zero(m, k);  // carried_j = sum of e_i L_ij, i > j
  for (Index end = k; end > 0;) {
    const Index begin = std::max<Index>(0, end - kColumns);
    for (Index j = end - 1; j >= begin; --j) {
      const Index behind = end - j - 1;
      carried.col(j).noalias() += e.middleCols(j + 1, behind) * l.col(j).segment(j + 1, behind);
      const auto scale = s.col(order[static_cast<size_t>(j)] / step);
      c.q.col(j) = (w.col(j) + carried.col(j) / l(j, j)).binaryExpr(scale, &rounded);
      e.col(j) = w.col(j) - c.q.col(j).cwiseProduct(scale);
      c.cost += (carried.col(j) + e.col(j) * l(j, j)).cwiseAbs2();
    }
    carried.leftCols(begin).noalias() +=
        e.middleCols(begin, end - begin) * l.block(begin, 0, end - begin, begin);
    end = begin;
  }
  return c;
}

}  // namespace

InputMoments::InputMoments(size_t k) : shift_(k), sum_(k), squares_(k * k) {}

void InputMoments::add(nn::Mat<const float> x, std::span<const float> weights) {
  if (x.cols != k() || weights.size() != x.rows) {
    throw Error("input moments: expected " + std::to_string(k()) +
                " columns and as many weights as "
                "rows, found " +
                std::to_string(x.cols) + " and " + std::to_string(weights.size()) + " for " +
                std::to_string(x.rows));
  }
  if (x.rows == 0 || k() == 0) return;
  const Eigen::Map<const RowMajorF, 0, Eigen::OuterStride<>> rows(
      x.data, index(x.rows), index(x.cols), Eigen::OuterStride<>(index(x.stride)));
  if (!rows.allFinite()) throw Error("input moments: expected finite inputs of a linear map");
  const Eigen::Map<const Eigen::VectorXf> weight(weights.data(), index(weights.size()));
  Eigen::Map<VectorXd> shift(shift_.data(), index(k())), sum(sum_.data(), index(k()));
  Eigen::Map<MatrixXd> squares(squares_.data(), index(k()), index(k()));
  if (weight_ == 0) shift = rows.colwise().mean().cast<double>().transpose();

  MatrixXf products(index(k()), index(k()));
  for (Index first = 0; first < rows.rows(); first += kBatch) {
    const Index count = std::min(kBatch, rows.rows() - first);
    const auto w = weight.segment(first, count);
    MatrixXf centred = rows.middleRows(first, count).transpose();  // [k, count]
    centred.colwise() -= shift.cast<float>();
    sum += (centred * w).cast<double>();
    centred.array().rowwise() *= w.array().sqrt().transpose();
    products.setZero();
    products.selfadjointView<Eigen::Lower>().rankUpdate(centred);
    squares.triangularView<Eigen::Lower>() += products.cast<double>();
    weight_ += w.cast<double>().sum();
  }
}

std::vector<double> InputMoments::mean() const {
  std::vector<double> out(shift_);
  for (size_t i = 0; weight_ > 0 && i < out.size(); ++i)
    out[i] = static_cast<double>(static_cast<float>(shift_[i])) + sum_[i] / weight_;
  return out;
}

std::vector<double> InputMoments::covariance() const {
  std::vector<double> out(squares_.size());
  if (weight_ <= 0) return out;
  const Eigen::Map<const MatrixXd> squares(squares_.data(), index(k()), index(k()));
  const Eigen::Map<const VectorXd> sum(sum_.data(), index(k()));
  Eigen::Map<MatrixXd> c(out.data(), index(k()), index(k()));
  c = squares.selfadjointView<Eigen::Lower>();
  const VectorXd mean = sum / weight_;
  c = c / weight_ - mean * mean.transpose();
  return out;
}

Rounded gptq(std::span<const float> w, size_t m, size_t k, std::span<const double> h,
             size_t group) {
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

  const MatrixXd all = natural.cast<double>();
  const MatrixXd ordered = all(Eigen::all, order);
  const Index step = group == 0 ? index(k) : index(group);
  MatrixXd scale = scales(all, step, 1.0);
  Candidate best = nearest(ordered, scale, l, step, order);
  Rounded out;
  out.nearest = best.cost.sum();
  for (const double clip : kClips) {
    const MatrixXd s = scales(all, step, clip);
    const Candidate c = feed_back(ordered, s, l, step, order);
    for (Index r = 0; r < index(m); ++r) {
      if (c.cost(r) >= best.cost(r)) continue;
      best.cost(r) = c.cost(r);
      best.q.row(r) = c.q.row(r);
      scale.row(r) = s.row(r);
    }
  }
  out.error = best.cost.sum();

  out.q.resize(m * k);
  for (size_t j = 0; j < k; ++j) {
    const auto column = static_cast<size_t>(order[j]);
    for (size_t r = 0; r < m; ++r)
      out.q[r * k + column] = static_cast<int8_t>(best.q(index(r), index(j)));
  }
  for (Index r = 0; r < scale.rows(); ++r)
    for (Index g = 0; g < scale.cols(); ++g)
      out.scale.push_back(quant::f32_to_f16(static_cast<float>(scale(r, g))));
  return out;
}

}  // namespace sterna::models
