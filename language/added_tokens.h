#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trie.h"

namespace sterna::language {

/// A token beside the model's, that stands for itself where its text occurs.
struct AddedToken {
  std::string text;  // as it is looked for
  uint32_t id;
  bool single_word;     // not inside a word
  bool lstrip, rstrip;  // takes the white space around it along
};

/// Finds added tokens: the leftmost, of those the longest, none inside another (`tokenizers`'
/// AddedVocabulary::find_matches). Const after construction, shared by threads.
class AddedTokens {
 public:
  /// Throws sterna::Error (without a place) for an empty or repeated text.
  void add(AddedToken token);
  bool empty() const { return tokens_.empty(); }

  struct Part {
    size_t begin, end;
    std::optional<uint32_t> id;  // of an added token
  };
  /// `text` (UTF-8) in parts, in order.
  std::vector<Part> find(std::string_view text) const;

 private:
  const AddedToken* at(std::string_view text, size_t begin) const;

  std::vector<AddedToken> tokens_;
  Trie trie_;
  std::array<bool, 256> first_{};  // bytes that begin one
};

}  // namespace sterna::language
