#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/key_values.h>
#include <sterna/nn/mat.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/linear.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sterna::nn {

/// A pre-norm transformer block with BitNet's sub-norms, without biases (BitNet
/// b1.58, arXiv 2402.17764; sub-norms as in BitNet b1.58 2B4T, arXiv 2504.12285; squared ReLU). The
/// linears are ternary in shipped models and float for comparison: the same code over another
/// Linear type.
///   t tokens, d width, f hidden width of the MLP
struct TernaryBlock {
  std::span<const float> attn_norm;      // [d]
  quant::Linear qkv;                     // [3d, d]: q, k, v stacked
  std::span<const float> attn_out_norm;  // [d]
  quant::Linear attn_out;                // [d, d]
  std::span<const float> mlp_norm;       // [d]
  quant::Linear mlp_up;                  // [f, d]
  std::span<const float> mlp_mid_norm;   // [f]
  quant::Linear mlp_down;                // [d, f]
  size_t heads = 1;

  static constexpr float kEps = 1e-5F;

  /// Throws sterna::Error, prefixed with `where`, unless every shape fits width d and the heads
  /// divide it.
  void check(size_t d, const std::string& where) const;

  /// x [t, d] in place. `starts` (rising from 0 to t) marks sequences laid end to end; each attends
  /// to itself alone. Results do not depend on what else is in the batch, nor on threads.
  void forward(Mat<float> x, std::span<const uint32_t> starts, const Executor& executor,
               Workspace& workspace, quant::Isa isa) const;

  /// The next position of each of n causal sequences: x [n, d] in place, row i behind the
  /// `cache.past` positions of sequence i, which it and itself alone attend to. Its key and value
  /// are written to the cache (past < capacity, asserted); the caller counts `past` on. The same
  /// numbers as a causal pass over whole sequences, whatever else is in the batch.
  void step(Mat<float> x, const KeyValues& cache, const Executor& executor, Workspace& workspace,
            quant::Isa isa) const;

 private:
  /// q, k, v = W_qkv RMSNorm(x) -> wide [t, 3d].
  void project(Mat<const float> x, Mat<float> wide, const Executor& executor, Workspace& workspace,
               quant::Isa isa) const;
  /// What follows attention: x += W_o RMSNorm(o), then the MLP. o [t, d] is overwritten.
  void finish(Mat<float> x, Mat<float> o, const Executor& executor, Workspace& workspace,
              quant::Isa isa) const;
};

}  // namespace sterna::nn
