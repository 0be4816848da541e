#include <sterna/language/tokenizer_json.h>
#include <sterna/quant/error.h>

#include "tokenizer_parts.h"

namespace sterna::language {

namespace {

constexpr size_t kMaxAdded = 4096;

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
  node["type"].must_be("BertNormalizer");
  BertNormalizer n;
  n.clean_text = node["clean_text"].boolean(true);
  n.split_cjk = node["handle_chinese_chars"].boolean(true);
  n.lowercase = node["lowercase"].boolean(true);
  n.strip_accents = node["strip_accents"].boolean(n.lowercase);
  return n;
}

std::vector<WordPieceOptions::Added> added_tokens(const JsonNode& node) {
  std::vector<WordPieceOptions::Added> added;
  if (node.json.is_null()) return added;
  if (node.list() > kMaxAdded) node.fail("at most " + std::to_string(kMaxAdded) + " tokens");
  for (size_t i = 0; i < node.list(); ++i) {
    const JsonNode token = node[i];
    for (const char* unsupported : {"single_word", "lstrip", "rstrip", "normalized"})
      if (token[unsupported].boolean(false)) token[unsupported].fail("false");
    added.push_back({token["content"].string(), token["id"].integer(INT32_MAX)});
    if (added.back().text.empty()) token["content"].fail("text");
  }
  return added;
}

/// The ids that stand before and after a single text.
void post_processor(const JsonNode& node, WordPieceOptions& options) {
  const std::string& type = node["type"].string();
  if (type == "BertProcessing") {
    for (const auto& [key, id] : {std::pair{"cls", &options.cls}, std::pair{"sep", &options.sep}}) {
      const JsonNode pair = node[key];
      if (pair.list() != 2) pair.fail("a token and its id");
      *id = pair[1].integer(INT32_MAX);
    }
    return;
  }
  if (type != "TemplateProcessing")
    node["type"].fail("\"TemplateProcessing\" or \"BertProcessing\"");
  const JsonNode single = node["single"];
  if (single.list() != 3) single.fail("three parts, [CLS] text [SEP]");
  if (!single[1].json.contains("Sequence")) single[1].fail("a \"Sequence\"");
  for (const auto& [i, id] :
       {std::pair{size_t{0}, &options.cls}, std::pair{size_t{2}, &options.sep}}) {
    const JsonNode name = single[i]["SpecialToken"]["id"];
    const JsonNode ids = node["special_tokens"][name.string()]["ids"];
    if (ids.list() != 1) ids.fail("one id");
    *id = ids[size_t{0}].integer(INT32_MAX);
  }
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

WordPiece parse_tokenizer_json(std::string_view text, std::string_view where) {
  const nlohmann::json document = parse_json(text, where);
  const JsonNode root{document, std::string(where) + ": "};
  const JsonNode model = root["model"];
  model["type"].must_be("WordPiece");
  root["pre_tokenizer"]["type"].must_be("BertPreTokenizer");

  std::vector<std::string> tokens;
  const BertNormalizer bert = normalizer(root["normalizer"]);
  const auto added = added_tokens(root["added_tokens"]);
  WordPieceOptions ends;
  post_processor(root["post_processor"], ends);
  WordPieceOptions options = wordpiece_options(model, tokens);
  options.normalizer = bert;
  options.added = added;
  options.cls = ends.cls;
  options.sep = ends.sep;
  for (const auto& token : options.added) {
    const bool known = token.id < tokens.size() && tokens[token.id] == token.text;
    if (!known)
      throw Error(std::string(where) + ": added_tokens: expected the vocabulary's id for token " +
                  quoted(token.text) + ", found " + std::to_string(token.id));
  }
  try {
    return WordPiece(std::move(tokens), std::move(options));
  } catch (const Error& e) {
    throw Error(std::string(where) + ": " + e.what());
  }
}

WordPiece load_tokenizer_json(const std::filesystem::path& file) {
  return parse_tokenizer_json(read_json_file(file), file.string());
}

}  // namespace sterna::language
