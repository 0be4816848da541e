#pragma once

#include <sterna/nn/workspace.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/linear.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "calibrate.h"
#include "input_moments.h"
#include "sterna/models/quantize.h"
#include "sterna/models/weights.h"
#include "uses.h"

namespace sterna::models {

/// The rule that stores a linear map as integers that gptq() can choose (i8, ternary), or nullptr.
const QuantizeRule* rounding_rule(std::span<const QuantizeRule> rules, std::string_view name,
                                  const Role* role = nullptr);

/// E |W x|^2 for W [m, k] and H = E[x x^T] [k, k]: the trace of W H W^T.
double output_power(std::span<const float> w, size_t m, size_t k, std::span<const double> h);

/// `error` as a share of `power`, both of squares: the root; 0 where there is nothing to share.
double error_share(double error, double power) noexcept;

/// Packed weights where kernels want them, for as long as this lives.
class PackedStore {
 public:
  quant::WeightView keep(quant::Type type, size_t m, size_t k, const quant::Packed& packed,
                         size_t group);

 private:
  nn::Workspace data_;
  std::deque<std::vector<uint16_t>> scales_;
};

/// Linear maps without biases that calibration has rounded so far: what is written to the file, and
/// views of it for the model that the next maps are looked at in.
class RoundedMaps {
 public:
  /// `file` is what errors start with.
  explicit RoundedMaps(std::string file) : file_(std::move(file)) {}

  /// moments.add(x) of what goes into the map `name`. Throws sterna::Error naming file and tensor.
  void see(const std::string& name, nn::Mat<const float> x, InputMoments& moments) const;

  /// Rounds the map `name`, W [m, k], as `rule` says, for the least error on the inputs that
  /// `moments` is of, and notes what that gained. Throws sterna::Error naming file and tensor.
  void round(const std::string& name, std::span<const float> w, size_t m, size_t k,
             const QuantizeRule& rule, const InputMoments& moments);

  const Replaced& replaced() const { return replaced_; }
  Calibrated take() { return std::move(out_); }

 private:
  std::string file_;
  Replaced replaced_;
  PackedStore store_;  // what replaced_ views
  Calibrated out_;
};

}  // namespace sterna::models
