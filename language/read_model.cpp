// The "model" of a tokenizer.json.
#include <sterna/quant/error.h>

#include <algorithm>

#include "bpe.h"
#include "tokenizer_parts.h"
#include "unigram.h"

namespace sterna::language {

namespace {

constexpr uint32_t kMaxId = INT32_MAX;

/// {"token": id, ...}
Vocabulary vocabulary(const JsonNode& node, uint32_t& largest) {
  if (!node.json.is_object() || node.json.empty()) node.fail("an object of tokens and ids");
  Vocabulary tokens;
  for (const auto& [token, id] : node.json.items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > kMaxId)
      JsonNode{id, node.path + '[' + quoted(token) + ']'}.integer(kMaxId);
    largest = std::max(largest, id.get<uint32_t>());
    tokens.add(token, id.get<uint32_t>());
  }
  return tokens;
}

Unknown unknown(const JsonNode& node, const Vocabulary& tokens) {
  const std::string& text = node.string();
  return {tokens.find(text),
          node.path + ": expected a token of the vocabulary, found " + quoted(text)};
}

/// "a b" or ["a", "b"], by rank.
std::vector<Bpe::Merge> merges(const JsonNode& node, const Vocabulary& tokens, size_t prefix) {
  std::vector<Bpe::Merge> out;
  out.reserve(node.list());
  const auto find = [&](const JsonNode& at, std::string_view token) {
    const auto id = tokens.find(token);
    if (!id) at.fail("tokens of the vocabulary", quoted(std::string(token)));
    return *id;
  };
  const bool pairs = node.list() > 0 && node.json[0].is_array();
  std::string whole;
  for (size_t i = 0; i < node.json.size(); ++i) {
    const nlohmann::json& json = node.json[i];
    const auto fail = [&] { node[i].fail(pairs ? "a pair of tokens" : "two tokens and a space"); };
    std::string_view left, right;
    if (pairs) {
      if (!json.is_array() || json.size() != 2 || !json[0].is_string() || !json[1].is_string())
        fail();
      left = json[0].get_ref<const std::string&>();
      right = json[1].get_ref<const std::string&>();
    } else {
      const std::string_view line =
          json.is_string() ? json.get_ref<const std::string&>() : std::string_view();
      if (line.starts_with("#version")) continue;
      const size_t space = line.find(' ');
      if (space == line.npos || line.find(' ', space + 1) != line.npos) fail();
      left = line.substr(0, space);
      right = line.substr(space + 1);
    }
    if (right.size() < prefix) fail();
    whole.assign(left).append(right.substr(prefix));
    const std::optional<uint32_t> ids[] = {tokens.find(left), tokens.find(right),
                                           tokens.find(whole)};
    if (ids[0] && ids[1] && ids[2]) {
      out.push_back({*ids[0], *ids[1], *ids[2]});
    } else {
      find(node[i], left), find(node[i], right), find(node[i], whole);
    }
  }
  return out;
}

std::unique_ptr<TokenModel> bpe(const JsonNode& node, uint32_t& largest) {
  const JsonNode dropout = node["dropout"];
  if (!dropout.absent() && dropout.number() != 0) dropout.fail("null or 0");
  BpeOptions options;
  options.continuation = node["continuing_subword_prefix"].string_or("");
  options.word_end = node["end_of_word_suffix"].string_or("");
  options.fuse_unknown = node["fuse_unk"].boolean(false);
  options.byte_fallback = node["byte_fallback"].boolean(false);
  options.ignore_merges = node["ignore_merges"].boolean(false);
  Vocabulary tokens = vocabulary(node["vocab"], largest);
  const JsonNode unk = node["unk_token"];
  if (!unk.absent()) options.unknown = unknown(unk, tokens);
  const auto ranks = merges(node["merges"], tokens, options.continuation.size());
  return std::make_unique<Bpe>(std::move(tokens), ranks, std::move(options));
}

std::unique_ptr<TokenModel> unigram(const JsonNode& node, uint32_t& largest) {
  const JsonNode vocab = node["vocab"];
  if (vocab.list() == 0) vocab.fail("a list of tokens and scores");
  std::vector<Unigram::Token> tokens;
  tokens.reserve(vocab.list());
  for (size_t i = 0; i < vocab.json.size(); ++i) {
    const nlohmann::json& json = vocab.json[i];
    if (!json.is_array() || json.size() != 2 || !json[0].is_string() || !json[1].is_number())
      vocab[i].fail("a token and its score");
    tokens.push_back({json[0].get<std::string>(), json[1].get<double>()});
  }
  largest = std::max(largest, static_cast<uint32_t>(tokens.size() - 1));
  const JsonNode unk = node["unk_id"];
  Unknown unknown{{}, unk.path + ": expected a token for unknown text, found nothing"};
  if (!unk.absent()) unknown.id = unk.integer(static_cast<uint32_t>(tokens.size() - 1));
  return std::make_unique<Unigram>(std::move(tokens), std::move(unknown),
                                   node["byte_fallback"].boolean(false));
}

}  // namespace

std::unique_ptr<TokenModel> read_model(const JsonNode& node, const JsonNode& normalizer,
                                       uint32_t& largest) {
  const JsonNode type = node["type"];
  const std::string& name = type.string();
  if (name == "BPE") return bpe(node, largest);
  if (name == "Unigram") return unigram(node, largest);
  if (name == "WordPiece") {
    WordPiece pieces = read_wordpiece(node, normalizer);
    largest = std::max(largest, static_cast<uint32_t>(pieces.size() - 1));
    return std::make_unique<WordPieceModel>(std::move(pieces));
  }
  if (name == "WordLevel") {
    Vocabulary tokens = vocabulary(node["vocab"], largest);
    Unknown unk = unknown(node["unk_token"], tokens);
    return std::make_unique<WordLevel>(std::move(tokens), std::move(unk));
  }
  type.fail("BPE, Unigram, WordPiece or WordLevel");
}

}  // namespace sterna::language
