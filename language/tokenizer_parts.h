#pragma once

#include <sterna/language/tokenizer.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "added_tokens.h"
#include "normalizers.h"
#include "pre_tokenizers.h"
#include "token_model.h"

namespace sterna::language {

/// The pipeline of a tokenizer.json.
struct Tokenizer::Parts {
  std::string file;  // for messages
  AddedTokens added, added_normalized;
  std::unordered_map<std::string, uint32_t> added_ids;
  Normalizers normalizers;
  PreTokenizers pre_tokenizers;
  bool asks_for_first = false;  // one of these does
  std::unique_ptr<TokenModel> model;
  /// Set where normalizer and pre-tokenizer are BERT's and nothing is looked for between them: the
  /// model then does all three in one pass.
  const WordPiece* bert = nullptr;
  std::vector<uint32_t> before, after;  // of the post-processor
  std::optional<Truncation> truncation;
  std::optional<Padding> padding;
  size_t size = 0;
};

/// "post_processor" of a single text: ids before and after it. Throws sterna::Error that names the
/// node.
void read_post_processor(const JsonNode& node, std::vector<uint32_t>& before,
                         std::vector<uint32_t>& after);

/// "model". `largest` becomes the largest id. Throws sterna::Error that names the node.
std::unique_ptr<TokenModel> read_model(const JsonNode& node, const JsonNode& normalizer,
                                       uint32_t& largest);

/// "model" of type WordPiece; `normalizer` gives the options of the one-pass way if it is BERT's.
WordPiece read_wordpiece(const JsonNode& model, const JsonNode& normalizer);

}  // namespace sterna::language
