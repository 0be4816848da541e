#pragma once

#include <sterna/language/wordpiece.h>
#include <sterna/nn/executor.h>
#include <sterna/nn/row_table.h>
#include <sterna/nn/ternary_block.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/linear.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace sterna::decoder {

struct Writing;  // a search under way

/// A text as a generator writes it.
struct GeneratedText {
  std::span<const uint32_t> ids;  // WordPiece ids, without an end; they lie in the workspace
  float log_probability = 0;      // mean over its pieces and its end
};

/// Decoding by writing: a small causal transformer that the embedding leads (as DeCap does, arXiv
/// 2303.03032; trained on texts alone, tools/train/generator.py). The embedding fills the first p
/// positions, each piece one more:
///   x_0..p-1 = W_prefix e,  x_p+i = sqrt(d) row(piece_i),  x += position;  z = blocks(x), causal
///   p(piece | e, pieces before) = softmax_j (RMSNorm(z) . row_j / |row_j|)
/// The table's rows have unit length; row 0 is the end of a text. A text has at least one piece.
/// Const after construction, shared by threads; the bits do not depend on the number of threads.
class Generator {
 public:
  struct Weights {
    quant::Linear prefix;             // [p d, dim]
    std::span<const float> position;  // [p + length - 1, d]
    nn::RowTable table;               // [v, d]
    std::vector<nn::TernaryBlock> blocks;
    std::span<const float> norm;   // [d]
    std::vector<uint32_t> pieces;  // [v - 1]: the WordPiece ids of rows 1 to v - 1
  };
  static constexpr size_t kMostBeams = 16;

  Generator() = default;
  /// `length` counts a text's end too. Throws sterna::Error where shapes disagree.
  Generator(Weights weights, size_t length, quant::Isa isa = quant::best_isa());

  size_t dim() const { return weights_.prefix.k(); }
  size_t length() const { return length_; }
  std::span<const uint32_t> pieces() const { return weights_.pieces; }

  /// Writes the most probable texts for `embedding` [dim] into `best`, the best by mean
  /// log-probability first, and returns how many: beam search with best.size() beams, with one the
  /// most probable piece again and again. Their ids live as long as the caller's frame of
  /// `workspace`. 0 only if weights or embedding hold what is no number. Allocates nothing once
  /// warm. Throws sterna::Error for another width, or not 1 to kMostBeams beams.
  size_t generate(std::span<const float> embedding, std::span<GeneratedText> best,
                  const nn::Executor& executor, nn::Workspace& workspace) const;

 private:
  void lead(std::span<const float> embedding, Writing& w, const nn::Executor& executor,
            nn::Workspace& workspace) const;
  void follow(Writing& w, const nn::Executor& executor, nn::Workspace& workspace) const;
  void run_blocks(nn::Mat<float> x, Writing& w, const nn::Executor& executor,
                  nn::Workspace& workspace) const;
  void grow(Writing& w, const nn::Executor& executor, nn::Workspace& workspace) const;

  Weights weights_;
  size_t length_ = 0;
  quant::Isa isa_ = quant::Isa::scalar;
};

/// What WordPiece took apart, together again: continuations joined, no blank around - ' and / nor
/// before closing marks. `out` is overwritten. Throws std::out_of_range for an unknown id.
void join(const language::WordPiece& tokenizer, std::span<const uint32_t> ids, std::string& out);

/// "a" and "an" of an English text in lower case, as far as the letters of the next word tell (the
/// rule of with_articles() in tools/train/questions.py): a text is written from left to right,
/// and an article before what it stands with.
void agree_articles(std::string& text);

}  // namespace sterna::decoder
