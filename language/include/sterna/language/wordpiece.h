#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sterna::language {

/// BERT's text cleaning (transformers' BertNormalizer), in this order.
struct BertNormalizer {
  bool clean_text = true;     // drop control characters, white space -> ' '
  bool split_cjk = true;      // spaces around ideographs ("handle_chinese_chars")
  bool strip_accents = true;  // NFD, then non-spacing marks removed
  bool lowercase = true;
};

struct WordPieceOptions {
  BertNormalizer normalizer;
  std::string continuation = "##";
  size_t max_word_chars = 100;  // a longer word becomes `unknown`; at most 1000
  uint32_t cls = 0, sep = 0, unknown = 0;
  /// Tokens that stand for themselves when their text occurs in the input, before any cleaning:
  /// "[MASK]" in a sentence is one token. (Added, not normalised tokens of `tokenizers`.)
  struct Added {
    std::string text;
    uint32_t id;
  };
  std::vector<Added> added;
};

/// The WordPiece tokenizer of BERT (Wu et al., arXiv 1609.08144, section 4.1; greedy longest match
/// first). Gives the ids of Hugging Face `tokenizers` 0.23 for every string, its mixture of Unicode
/// versions included (tools/unicode/make_tables.py); bytes that are not UTF-8 count as U+FFFD the
/// way Python's errors="replace" makes them. Linear in the length of the text.
/// Const after construction; any number of threads may call it.
class WordPiece {
 public:
  /// `vocabulary` in id order. Throws sterna::Error on an empty or repeated token, on an id outside
  /// the vocabulary and on an option out of range.
  WordPiece(std::vector<std::string> vocabulary, WordPieceOptions options);

  /// The options of an uncased or cased BERT: [CLS], [SEP] and [UNK] by name, and those with [PAD]
  /// and [MASK] (where present) matched in the text. Throws if one of the first three is missing.
  static WordPiece bert(std::vector<std::string> vocabulary, bool lowercase = true);

  size_t size() const { return vocabulary_.size(); }
  /// Throws std::out_of_range past the vocabulary.
  const std::string& token(uint32_t id) const { return vocabulary_.at(id); }
  const WordPieceOptions& options() const { return options_; }

  /// ids = [CLS] text [SEP], cut to `max_tokens` in all by dropping tokens at the end of the text
  /// (max_tokens >= 2; 0 = no limit). Reuses the memory of `ids`.
  void encode(std::string_view text, size_t max_tokens, std::vector<uint32_t>& ids) const;

  /// Parts of a pipeline: append the ids of a text without added tokens, until there are `limit`
  /// ids, or of one word. Both take UTF-8 alone.
  void encode_plain(std::string_view text, size_t limit, std::vector<uint32_t>& ids) const;
  void encode_word(std::string_view word, std::vector<uint32_t>& ids) const;

 private:
  struct Slot {
    uint32_t hash = 0;
    uint32_t id = UINT32_MAX;  // none
  };
  void insert(std::vector<Slot>& table, std::string_view text, uint32_t seed, uint32_t id);
  uint32_t find(const std::vector<Slot>& table, uint32_t hash, std::string_view text,
                size_t skip) const;
  bool split_word(std::string_view word, size_t limit, std::vector<uint32_t>& ids) const;

  std::vector<std::string> vocabulary_;
  WordPieceOptions options_;
  std::vector<Slot> starts_;             // whole tokens
  std::vector<Slot> continued_;          // tokens after their "##"
  size_t longest_ = 0;                   // bytes of the longest token
  std::array<bool, 256> added_first_{};  // first bytes of the added tokens
};

}  // namespace sterna::language
