#pragma once

#include <sterna/language/wordpiece.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sterna::language {

/// Tokens and their ids, in any order, with gaps. Owns the texts.
class Vocabulary {
 public:
  /// The last of equal tokens counts.
  void add(std::string token, uint32_t id) { ids_.insert_or_assign(std::move(token), id); }
  std::optional<uint32_t> find(std::string_view token) const {
    const auto at = ids_.find(token);
    return at == ids_.end() ? std::nullopt : std::optional(at->second);
  }
  size_t size() const { return ids_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };
  std::unordered_map<std::string, uint32_t, Hash, std::equal_to<>> ids_;
};

/// The model of a tokenizer: one word, as the pre-tokenizers left it, to ids. Const after
/// construction, shared by threads, each with a Scratch of its own.
class TokenModel {
 public:
  /// Memory that the words of a text use again.
  struct Scratch {
    struct Symbol {
      uint32_t id, previous, next;
      bool alive;
    };
    std::vector<Symbol> symbols;  // BPE
    std::vector<uint64_t> queue;
    struct Node {
      double score;
      uint32_t id, begin;
    };
    std::vector<Node> nodes;  // Unigram
    std::string text;
  };

  virtual ~TokenModel() = default;
  /// Appends the ids of non-empty `word` (UTF-8, below 4 GiB). Throws sterna::Error for an unknown
  /// part where the model has no token for that.
  virtual void encode(std::string_view word, Scratch& scratch,
                      std::vector<uint32_t>& ids) const = 0;
  virtual std::optional<uint32_t> find(std::string_view token) const = 0;
  virtual size_t size() const = 0;  // tokens
};

/// What stands for text that has no token.
struct Unknown {
  std::optional<uint32_t> id;
  std::string error;  // thrown where there is none
  uint32_t get() const;
};

/// A token for each word.
class WordLevel final : public TokenModel {
 public:
  WordLevel(Vocabulary vocabulary, Unknown unknown)
      : vocabulary_(std::move(vocabulary)), unknown_(std::move(unknown)) {}
  void encode(std::string_view word, Scratch&, std::vector<uint32_t>& ids) const override {
    const auto id = vocabulary_.find(word);
    ids.push_back(id ? *id : unknown_.get());
  }
  std::optional<uint32_t> find(std::string_view token) const override {
    return vocabulary_.find(token);
  }
  size_t size() const override { return vocabulary_.size(); }

 private:
  Vocabulary vocabulary_;
  Unknown unknown_;
};

/// WordPiece behind any pre-tokenizer.
class WordPieceModel final : public TokenModel {
 public:
  explicit WordPieceModel(WordPiece pieces);
  void encode(std::string_view word, Scratch&, std::vector<uint32_t>& ids) const override {
    pieces_.encode_word(word, ids);
  }
  std::optional<uint32_t> find(std::string_view token) const override {
    return vocabulary_.find(token);
  }
  size_t size() const override { return pieces_.size(); }
  const WordPiece& pieces() const { return pieces_; }

 private:
  WordPiece pieces_;
  Vocabulary vocabulary_;
};

}  // namespace sterna::language
