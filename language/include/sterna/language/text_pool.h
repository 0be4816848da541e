#pragma once

#include <sterna/nn/mat.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace sterna::language {

/// How the states of a text's tokens become one vector. What names hidden tokens looks at the mask,
/// as sentence-transformers' `Pooling` does; the towers themselves don't.
enum class TextPool {
  first,          // the first token, hidden or not: BERT's CLS
  last,           // the last one, hidden or not: SigLIP
  first_seen,     // sentence-transformers' cls
  last_seen,      // lasttoken: Qwen3-Embedding
  max,            // the largest number of each column, over the tokens that are seen
  mean,           // their mean
  mean_sqrt,      // their sum over the square root of their number: mean_sqrt_len_tokens
  weighted_mean,  // their mean, the i-th token behind the first that is seen counting i + 1 times
};

/// out [d] of states [t, d], t >= 1; `hidden` [t] has 1 for a token that isn't seen, or is empty.
/// Where no token is seen the modes that ask for seen ones give zeros. Sums run in double, in
/// order: the same bits everywhere.
void pool_text(TextPool mode, nn::Mat<const float> states, std::span<const uint8_t> hidden,
               std::span<float> out) noexcept;

}  // namespace sterna::language
