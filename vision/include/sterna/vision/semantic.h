#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/mat.h>
#include <sterna/nn/row_table.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/linear.h>

#include <cstddef>

namespace sterna::vision {

/// Turns what a classifier says about a place of the picture into a vector of the text space
/// (ConSE: Norouzi et al., arXiv 1312.5650, at every place of a class activation map: a linear head
/// commutes with the average pooling before it).
///   p = softmax(W_cls f + b);  s = L2norm(sum over the top k classes of p_k / (sum p_k) E_k)
/// Equal probabilities go to the lower class first. Const after construction, shared by threads.
class SemanticHead {
 public:
  static constexpr size_t kConfidences = 2;

  SemanticHead() = default;
  /// classifier [classes, width] with bias; embedding [classes, dim]: the class names as texts.
  /// Throws sterna::Error if they disagree or `top` is not in 1..classes.
  SemanticHead(quant::Linear classifier, nn::RowTable embedding, size_t top,
               quant::Isa isa = quant::best_isa());

  size_t dim() const { return embedding_.cols(); }
  size_t width() const { return classifier_.k(); }

  /// features [n, width] -> meaning [n, dim], confidence [n, 2] = {max p, sum of the top k p}.
  void forward(nn::Mat<const float> features, nn::Mat<float> meaning, nn::Mat<float> confidence,
               const nn::Executor& executor, nn::Workspace& workspace) const;

  /// The same of places that were seen in d x d parts, p the mean of theirs: features
  /// [g d g d, width] in rows of g d -> meaning [g g, dim].
  void forward_parts(nn::Mat<const float> features, size_t d, nn::Mat<float> meaning,
                     const nn::Executor& executor, nn::Workspace& workspace) const;

 private:
  void mix(const float* p, size_t* best, float* meaning, float* confidence) const noexcept;

  quant::Linear classifier_;
  nn::RowTable embedding_;
  size_t top_ = 0;
  quant::Isa isa_ = quant::Isa::scalar;
};

}  // namespace sterna::vision
