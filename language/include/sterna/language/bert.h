#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/mat.h>
#include <sterna/nn/precise_linear.h>
#include <sterna/nn/row_table.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/isa.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace sterna::language {

struct LayerNorm {
  std::span<const float> gain;  // [d]
  std::span<const float> bias;  // [d]
};

/// A post-norm encoder block of BERT (Devlin et al., arXiv 1810.04805).
///   t tokens, d width, f hidden width of the MLP
struct BertBlock {
  nn::PreciseLinear qkv;       // [3d, d]: q, k, v stacked
  nn::PreciseLinear attn_out;  // [d, d]
  LayerNorm attn_norm;
  nn::PreciseLinear mlp_up;    // [f, d]
  nn::PreciseLinear mlp_down;  // [d, f]
  LayerNorm mlp_norm;
};

/// The linear maps of a block, in the order of a forward pass.
enum class BertMap { qkv, attn_out, mlp_up, mlp_down };

/// Sees the inputs x [t, inputs of the map] of a linear map; the view ends with the call.
using BertObserver = std::function<void(BertMap map, nn::Mat<const float> x)>;

struct BertWeights {
  nn::RowTable token_embedding;  // [vocabulary, d]
  nn::RowTable position;         // [longest text, d]
  std::span<const float> type;   // [d]: the embedding of token type 0
  LayerNorm embedding_norm;
  std::vector<BertBlock> blocks;
};

/// BERT's encoder over bound weights: ids to the last hidden state. Const after construction, used
/// by any number of threads, each with a Workspace of its own; allocates nothing once that is warm.
class Bert {
 public:
  /// Throws sterna::Error if shapes disagree. `eps` is that of every LayerNorm.
  Bert(BertWeights weights, size_t heads, float eps, quant::Isa isa = quant::best_isa());

  size_t width() const { return weights_.type.size(); }
  size_t vocabulary() const { return weights_.token_embedding.rows(); }
  size_t longest_text() const { return weights_.position.rows(); }

  /// out [t, d] = last hidden states of the texts that lie end to end in `ids` [t]: text i is
  /// [starts[i], starts[i + 1]), starts rise from 0 to t. No padding, and nothing of one text
  /// reaches another: each gets the same bits as alone. Throws sterna::Error for an id outside the
  /// vocabulary or a text longer than longest_text().
  void forward(std::span<const uint32_t> ids, std::span<const uint32_t> starts, nn::Mat<float> out,
               const nn::Executor& executor, nn::Workspace& workspace) const;

  /// forward() in parts, for who wants to look inside (calibration). First x [t, d] =
  /// LN(token + position + type), which checks as forward() does; then each block in place.
  size_t blocks() const { return weights_.blocks.size(); }
  void embed(std::span<const uint32_t> ids, std::span<const uint32_t> starts, nn::Mat<float> x,
             const nn::Executor& executor) const;
  void block(size_t i, std::span<const uint32_t> starts, nn::Mat<float> x,
             const nn::Executor& executor, nn::Workspace& workspace,
             const BertObserver& observer = {}) const;

 private:
  void check(std::span<const uint32_t> ids, std::span<const uint32_t> starts,
             nn::Mat<float> out) const;

  BertWeights weights_;
  size_t heads_;
  float eps_;
  quant::Isa isa_;
};

}  // namespace sterna::language
