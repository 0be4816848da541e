#pragma once

#include <sterna/decoder/generator.h>
#include <sterna/nn/executor.h>
#include <sterna/nn/transformer.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/linear.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sterna::decoder {

/// Decoding by a causal language model that was never trained for it: a linear map makes of the
/// embedding e what stands before the text, as vectors among the model's own pieces' (ClipCap,
/// arXiv 2111.09734; the map trained on texts alone, tools/train/prefix.py):
///   x_0..p-1 = W e + b,  x_p+i = E[piece_i];  z = norm(blocks(x)), causal
///   p(piece | e, pieces before) = softmax_j (z . E_j)
/// A text has at least one piece, and none that is `closed`. Const after construction, shared by
/// threads; the bits do not depend on the number of threads.
class PrefixDecoder {
 public:
  struct Weights {
    quant::Linear prefix;            // [p d, dim]
    quant::Linear pieces;            // [v, d]: E, in and out
    nn::Transformer blocks;          // causal, of width d; they name one rotation
    std::vector<float> frequencies;  // of that rotation
    nn::Pairing pairing = nn::Pairing::halves;
    nn::Norm norm;
    std::vector<uint32_t> closed;  // pieces that are never written
    uint32_t end = 0;              // the piece that ends a text
  };

  PrefixDecoder() = default;
  /// `length` counts a text's end too. Throws sterna::Error where shapes disagree.
  PrefixDecoder(Weights weights, size_t length, quant::Isa isa = quant::best_isa());

  size_t dim() const { return weights_.prefix.k(); }
  size_t length() const { return length_; }

  /// As Generator::generate, but that reading a piece's vector allocates a little; ids are the
  /// language model's.
  size_t generate(std::span<const float> embedding, std::span<GeneratedText> best,
                  const nn::Executor& executor, nn::Workspace& workspace) const;

 private:
  void lead(std::span<const float> embedding, Writing& w, const nn::Executor& executor,
            nn::Workspace& workspace) const;
  void follow(Writing& w, const nn::Executor& executor, nn::Workspace& workspace) const;
  void grow(Writing& w, const nn::Executor& executor, nn::Workspace& workspace) const;
  nn::Rotation rotation(std::span<const uint32_t> positions, nn::Workspace& workspace) const;
  void copy_piece(uint32_t id, float* x, nn::Workspace& workspace) const;
  uint32_t swapped(uint32_t piece) const;

  Weights weights_;
  size_t length_ = 0;
  quant::Isa isa_ = quant::Isa::scalar;
};

}  // namespace sterna::decoder
