#pragma once

#include <sterna/language/bert.h>
#include <sterna/language/wordpiece.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sterna::language {

/// Text to vectors: tokenizer and encoder together. Const after construction, shared by threads,
/// each with a Workspace of its own.
class TextEncoder {
 public:
  /// Texts are cut to `max_tokens` ids, [CLS] and [SEP] included. Throws sterna::Error if the
  /// tokenizer has ids that the encoder lacks, or max_tokens is not from 2 to its longest text.
  TextEncoder(WordPiece tokenizer, Bert bert, size_t max_tokens);

  size_t width() const { return bert_.width(); }
  size_t max_tokens() const { return max_tokens_; }
  const WordPiece& tokenizer() const { return tokenizer_; }

  /// [CLS] text [SEP], at most max_tokens; reuses the memory of `ids`.
  void tokenize(std::string_view text, std::vector<uint32_t>& ids) const {
    tokenizer_.encode(text, max_tokens_, ids);
  }
  /// out [ids.size(), width]: the last hidden state of one text.
  void tokens(std::span<const uint32_t> ids, nn::Mat<float> out, const nn::Executor& executor,
              nn::Workspace& workspace) const;

  /// out [width]: the mean of the text's last hidden states, scaled to unit length
  /// (sentence-transformers' mean pooling and Normalize).
  void embed(std::string_view text, std::span<float> out, const nn::Executor& executor,
             nn::Workspace& workspace) const;
  /// The same for many texts, row i of out [texts, width] for text i. Texts share forward passes;
  /// each gets the same bits as alone.
  void embed(std::span<const std::string> texts, nn::Mat<float> out, const nn::Executor& executor,
             nn::Workspace& workspace) const;

 private:
  template <class Text>
  void embed_all(std::span<const Text> texts, nn::Mat<float> out, const nn::Executor& executor,
                 nn::Workspace& workspace) const;

  WordPiece tokenizer_;
  Bert bert_;
  size_t max_tokens_;
};

}  // namespace sterna::language
