#include "input_moments.h"

#include <sterna/quant/error.h>

#include <Eigen/Core>
#include <algorithm>
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

Index index(size_t n) { return static_cast<Index>(n); }

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

void InputMoments::add(nn::Mat<const float> x) { add(x, std::vector<float>(x.rows, 1.0F)); }

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

std::vector<double> InputMoments::second_moments() const {
  std::vector<double> h = covariance();
  const std::vector<double> m = mean();
  for (size_t i = 0; i < h.size(); ++i) h[i] += m[i / m.size()] * m[i % m.size()];
  return h;
}

}  // namespace sterna::models
