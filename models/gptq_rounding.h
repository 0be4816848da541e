#pragma once

#include <sterna/quant/formats.h>

#include <Eigen/Core>
#include <array>
#include <span>
#include <vector>

namespace sterna::models {

/// The integers of a type, and where its scales are looked for.
struct Grid {
  double limit;                     // integers go from -limit to limit
  bool ternary;                     // scales of least squares follow
  std::span<const double> factors;  // of pack()'s scale
  /// Of t34 and t14, what four neighbours may be; of other types none.
  std::vector<std::array<double, 4>> patterns = {};
};
/// Throws sterna::Error for a type of floats.
Grid grid_of(quant::Type type);

/// Integers, scales [m, groups] and cost a row, |e L|^2 with e = w - q * scale.
struct Candidate {
  Eigen::MatrixXd q, s;
  Eigen::VectorXd cost;
};

/// One map w [m, k] to be rounded, its columns in the order of gptq() (`order`: where each stood;
/// of patterns, four neighbours stay together, and the rest that fills no four stands first). L
/// lower triangular, H = L L^T; `step` columns of a row share a scale,
/// pack()'s being `packed` [m, groups].
class Rounding {
 public:
  Rounding(const Eigen::MatrixXd& w, const Eigen::MatrixXd& l, Eigen::Index step,
           const std::vector<Eigen::Index>& order, const Grid& grid, Eigen::MatrixXd packed)
      : w_(w), l_(l), step_(step), groups_(packed.cols()), order_(order), grid_(grid),
        packed_(std::move(packed)) {}

  /// The scales of pack(), times `factor`, as fp16 holds them.
  Eigen::MatrixXd scales(double factor) const;
  /// Every weight to the nearest integer, or four to the nearest pattern.
  Candidate nearest(const Eigen::MatrixXd& s) const;
  /// Columns from the last to the first, each moved by what those behind it got wrong.
  Candidate feed_back(const Eigen::MatrixXd& s) const;
  /// The same integers with the scales of least squares, where that is better.
  void refit(Candidate& c) const;
  /// Rows of `c` that cost less take the place of those of `best`.
  static void take_better(const Candidate& c, Candidate& best);

 private:
  Eigen::Index group(Eigen::Index j) const { return order_[static_cast<size_t>(j)] / step_; }
  Eigen::Index together(Eigen::Index end, Eigen::Index begin) const;
  void choose(Eigen::Index first, Eigen::Index n, const Eigen::MatrixXd& carried, bool triangle,
              Candidate& c, Eigen::MatrixXd& e) const;

  const Eigen::MatrixXd& w_;
  const Eigen::MatrixXd& l_;
  Eigen::Index step_, groups_;
  const std::vector<Eigen::Index>& order_;
  const Grid& grid_;
  const Eigen::MatrixXd packed_;
};

}  // namespace sterna::models
