#pragma once

#include <sterna/nn/row_table.h>
#include <sterna/nn/transformer.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sterna::predictor {

/// VL-JEPA's predictor (arXiv 2512.10942; open-vljepa's `predictor`): the last layers of a
/// Llama-family model, made bidirectional, over [visual; query]. d width, v width of the vision
/// tokens, n width of the prediction.
struct JointPredictorWeights {
  nn::RowTable tokens;             // [vocabulary, d]
  quant::Linear vision;            // [d, v]
  std::vector<float> frequencies;  // of the rotary positions
  nn::Transformer blocks;
  nn::Norm norm;
  quant::Linear head;  // [n, d]
};

/// Const after construction, shared by threads, each with a Workspace of its own.
class JointPredictor {
 public:
  /// Throws sterna::Error if shapes disagree.
  explicit JointPredictor(JointPredictorWeights weights, quant::Isa isa = quant::best_isa());

  size_t dim() const { return weights_.head.m(); }
  size_t vocabulary() const { return weights_.tokens.rows(); }

  /// out [n], before L2 normalisation: W_head mean(norm(blocks([W_vision vision; tokens[query]]))),
  /// the mean over visual and query tokens alike. vision [p, v]; the query's tokens stand at
  /// positions p + places[i] (`places` rise: 0, 1, ... where nothing is left out as padding).
  /// Throws sterna::Error for an id outside the vocabulary or shapes that disagree.
  void forward(nn::Mat<const float> vision, std::span<const uint32_t> query,
               std::span<const uint32_t> places, std::span<float> out, const nn::Executor& executor,
               nn::Workspace& workspace) const;

 private:
  JointPredictorWeights weights_;
  quant::Isa isa_;
};

}  // namespace sterna::predictor
