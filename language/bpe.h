#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "token_model.h"

namespace sterna::language {

struct BpeOptions {
  std::optional<Unknown> unknown;  // none: text without a token is dropped
  std::string continuation;        // stands before all characters of a word but the first
  std::string word_end;            // stands behind the last
  bool fuse_unknown = false;       // neighbouring unknown characters become one token
  bool byte_fallback = false;      // tokens <0x00> .. <0xFF> before `unknown`
  bool ignore_merges = false;      // a word that is a token is that token
};

/// Byte pair encoding (Sennrich et al., arXiv 1508.07909): the pair of lowest rank is merged first,
/// the leftmost of equal ones. O(n log n) in the length of a word. As `tokenizers` does it, down to
/// where a pending unknown token goes and which expired queue entries still merge.
class Bpe final : public TokenModel {
 public:
  struct Merge {
    uint32_t left, right, whole;
  };
  /// `merges` by rank; the last of equal pairs counts. Throws sterna::Error (without a place) for
  /// more than 2^31 of them.
  Bpe(Vocabulary vocabulary, const std::vector<Merge>& merges, BpeOptions options);

  void encode(std::string_view word, Scratch& scratch, std::vector<uint32_t>& ids) const override;
  std::optional<uint32_t> find(std::string_view token) const override {
    return vocabulary_.find(token);
  }
  size_t size() const override { return vocabulary_.size(); }

 private:
  struct Slot {
    uint32_t left, right;
    uint32_t rank = UINT32_MAX;  // free
    uint32_t whole;
  };
  const Slot* find_merge(uint32_t left, uint32_t right) const;
  size_t slot(uint32_t left, uint32_t right) const;
  void split(std::string_view word, Scratch& scratch) const;
  void merge(Scratch& scratch) const;

  Vocabulary vocabulary_;
  BpeOptions options_;
  std::vector<Slot> merges_;                        // a hash table, at most half full
  std::vector<uint32_t> wholes_;                    // by rank
  std::array<std::optional<uint32_t>, 256> bytes_;  // <0x00> .. <0xFF>
};

}  // namespace sterna::language
