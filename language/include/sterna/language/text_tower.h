#pragma once

#include <sterna/nn/row_table.h>
#include <sterna/nn/transformer.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sterna::language {

/// What makes a text encoder of blocks: BERT, the text towers of CLIP and SigLIP, Gemma and Llama
/// are settings of this. d width.
struct TextTowerWeights {
  nn::RowTable tokens;     // [vocabulary, d]
  float token_scale = 1;   // Gemma: sqrt(d)
  nn::RowTable positions;  // [longest text, d], or no rows
  /// RoBERTa: places count the tokens that aren't this id, from it + 1; such a token's place is it.
  std::optional<uint32_t> padding;
  std::span<const float> type;  // [d]: the embedding of token type 0, or empty
  nn::Norm embedding_norm;
  std::vector<std::vector<float>> rotations;  // frequencies, by the number that blocks give
  nn::Transformer blocks;
  nn::Norm final_norm;
};

/// A text encoder over bound weights: ids to last hidden states. Const after construction, shared
/// by threads, each with a Workspace of its own.
class TextTower {
 public:
  /// Throws sterna::Error if shapes disagree.
  explicit TextTower(TextTowerWeights weights, quant::Isa isa = quant::best_isa());

  size_t width() const { return weights_.blocks.width(); }
  size_t blocks() const { return weights_.blocks.blocks(); }
  size_t vocabulary() const { return weights_.tokens.rows(); }
  /// Tokens of the longest text; 0: positions have no table that would end.
  size_t longest() const;

  /// out [t, d] = last hidden states of texts that lie end to end in `ids` [t]. Padding is left
  /// out, not computed; `sequences.positions` keeps what stands behind it in its place. Throws
  /// sterna::Error for an id outside the vocabulary, or a position outside the table.
  void forward(std::span<const uint32_t> ids, const nn::Sequences& sequences, nn::Mat<float> out,
               const nn::Executor& executor, nn::Workspace& workspace) const;
  /// The same behind the first `depth` blocks, without the final norm: transformers'
  /// hidden_states[depth], but for the last of a tower that ends in a norm, which it shows normed.
  /// Throws for more than blocks().
  void hidden(std::span<const uint32_t> ids, const nn::Sequences& sequences, size_t depth,
              nn::Mat<float> out, const nn::Executor& executor, nn::Workspace& workspace) const;

 private:
  TextTowerWeights weights_;
  quant::Isa isa_;
};

}  // namespace sterna::language
