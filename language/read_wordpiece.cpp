// The "model" of a tokenizer.json whose type is WordPiece.
#include <sterna/quant/error.h>

#include "tokenizer_parts.h"

namespace sterna::language {

namespace {

/// {"token": id, ...} with ids 0 .. n - 1.
std::vector<std::string> vocabulary(const JsonNode& node) {
  if (!node.json.is_object()) node.fail("an object of tokens and ids");
  std::vector<std::string> tokens(node.json.size());
  std::vector<bool> seen(tokens.size());
  for (const auto& [token, id] : node.json.items()) {
    const JsonNode at{id, node.path + '[' + quoted(token) + ']'};
    const uint32_t i = at.integer(static_cast<uint32_t>(tokens.size() - 1));
    if (seen[i]) at.fail("an id that no other token has");
    seen[i] = true;
    tokens[i] = token;
  }
  return tokens;
}

BertNormalizer normalizer(const JsonNode& node) {
  BertNormalizer n;
  n.clean_text = node["clean_text"].boolean(true);
  n.split_cjk = node["handle_chinese_chars"].boolean(true);
  n.lowercase = node["lowercase"].boolean(true);
  n.strip_accents = node["strip_accents"].boolean(n.lowercase);
  return n;
}

/// Without special tokens.
WordPieceOptions wordpiece_options(const JsonNode& model, std::vector<std::string>& tokens) {
  WordPieceOptions options;
  options.continuation = model["continuing_subword_prefix"].string();
  options.max_word_chars = model["max_input_chars_per_word"].integer(INT32_MAX);
  tokens = vocabulary(model["vocab"]);
  const JsonNode unknown = model["unk_token"];
  const JsonNode id = model["vocab"][unknown.string()];
  if (id.absent()) unknown.fail("a token of the vocabulary");
  options.unknown = id.integer(INT32_MAX);
  return options;
}

}  // namespace

WordPiece read_wordpiece(const JsonNode& model, const JsonNode& bert) {
  std::vector<std::string> tokens;
  WordPieceOptions options = wordpiece_options(model, tokens);
  if (!bert.absent() && bert["type"].string() == "BertNormalizer")
    options.normalizer = normalizer(bert);
  try {
    return WordPiece(std::move(tokens), std::move(options));
  } catch (const Error& e) {
    throw Error(model.path + ": " + e.what());
  }
}

}  // namespace sterna::language
