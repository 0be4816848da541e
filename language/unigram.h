#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "token_model.h"
#include "trie.h"

namespace sterna::language {

/// SentencePiece's unigram language model (Kudo, arXiv 1804.10959): the split of highest score, by
/// Viterbi over a trie of the tokens; linear in the length of a word (times the longest token).
/// Unknown neighbours become one token, or its bytes.
class Unigram final : public TokenModel {
 public:
  struct Token {
    std::string text;
    double score;
  };
  /// `tokens` in id order. Throws sterna::Error (without a place) for more than 2^31 of them.
  Unigram(std::vector<Token> tokens, Unknown unknown, bool byte_fallback);

  void encode(std::string_view word, Scratch& scratch, std::vector<uint32_t>& ids) const override;
  std::optional<uint32_t> find(std::string_view token) const override {
    return vocabulary_.find(token);
  }
  size_t size() const override { return scores_.size(); }

 private:
  void best_path(std::string_view word, Scratch& scratch) const;
  void put(std::string_view piece, std::vector<uint32_t>& ids) const;

  Vocabulary vocabulary_;
  std::vector<double> scores_;  // by id
  Trie trie_;                   // of ids
  Unknown unknown_;
  double unknown_score_;
  bool byte_fallback_;
  std::array<std::optional<uint32_t>, 256> bytes_;
};

}  // namespace sterna::language
