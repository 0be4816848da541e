#include <sterna/language/tokenizer_json.h>
#include <sterna/quant/error.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

namespace sterna::language {

namespace {

using Json = nlohmann::json;

constexpr size_t kMaxBytes = size_t{64} << 20;
constexpr int kMaxDepth = 32;
constexpr size_t kMaxAdded = 4096;

/// `text` as a JSON string in ASCII: safe in a one-line message.
std::string quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', true, Json::error_handler_t::replace);
}

/// A node of the document and the way to it, for messages.
struct Node {
  const Json& json;
  std::string path;

  /// What was found, short enough for one line.
  std::string found() const {
    if (json.is_null()) return "nothing";
    if (json.is_array() || json.is_object())
      return std::string(json.is_array() ? "a list" : "an object") + " of " +
             std::to_string(json.size());
    std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
    if (text.size() > 60) text = text.substr(0, 60) + "...";
    return text;
  }
  [[noreturn]] void fail(const std::string& expected) const {
    throw Error(path + ": expected " + expected + ", found " + found());
  }

  /// Null where absent.
  Node operator[](const char* key) const {
    static const Json kNothing;
    if (!json.is_object()) fail("an object");
    const auto at = json.find(key);
    const bool top = path.ends_with(": ");
    return {at == json.end() ? kNothing : *at, path + (top ? "" : ".") + key};
  }
  Node operator[](size_t i) const { return {json[i], path + '[' + std::to_string(i) + ']'}; }

  const std::string& string() const {
    if (!json.is_string()) fail("a string");
    return json.get_ref<const std::string&>();
  }
  bool boolean(std::optional<bool> absent = {}) const {
    if (json.is_null() && absent) return *absent;
    if (!json.is_boolean()) fail("true or false");
    return json.get<bool>();
  }
  uint32_t integer(uint32_t max) const {
    if (!json.is_number_unsigned() || json.get<uint64_t>() > max)
      fail("a whole number up to " + std::to_string(max));
    return json.get<uint32_t>();
  }
  size_t list() const {
    if (!json.is_array()) fail("a list");
    return json.size();
  }
  void must_be(std::string_view text) const {
    if (string() != text) fail(quoted(std::string(text)));
  }
};

Json parse(std::string_view text, std::string_view where) {
  const std::string at(where);
  if (text.size() > kMaxBytes)
    throw Error(at + ": expected at most " + std::to_string(kMaxBytes) + " bytes, found " +
                std::to_string(text.size()));
  const auto shallow = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxDepth)
      throw Error(at + ": expected at most " + std::to_string(kMaxDepth) +
                  " levels of nesting, found more");
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), shallow);
  } catch (const Json::parse_error& e) {
    throw Error(at + ": expected JSON, found a fault at byte " + std::to_string(e.byte));
  }
}

/// {"token": id, ...} with ids 0 .. n - 1.
std::vector<std::string> vocabulary(const Node& node) {
  if (!node.json.is_object()) node.fail("an object of tokens and ids");
  std::vector<std::string> tokens(node.json.size());
  std::vector<bool> seen(tokens.size());
  for (const auto& [token, id] : node.json.items()) {
    const Node at{id, node.path + '[' + quoted(token) + ']'};
    const uint32_t i = at.integer(static_cast<uint32_t>(tokens.size() - 1));
    if (seen[i]) at.fail("an id that no other token has");
    seen[i] = true;
    tokens[i] = token;
  }
  return tokens;
}

BertNormalizer normalizer(const Node& node) {
  node["type"].must_be("BertNormalizer");
  BertNormalizer n;
  n.clean_text = node["clean_text"].boolean(true);
  n.split_cjk = node["handle_chinese_chars"].boolean(true);
  n.lowercase = node["lowercase"].boolean(true);
  n.strip_accents = node["strip_accents"].boolean(n.lowercase);
  return n;
}

std::vector<WordPieceOptions::Added> added_tokens(const Node& node) {
  std::vector<WordPieceOptions::Added> added;
  if (node.json.is_null()) return added;
  if (node.list() > kMaxAdded) node.fail("at most " + std::to_string(kMaxAdded) + " tokens");
  for (size_t i = 0; i < node.list(); ++i) {
    const Node token = node[i];
    for (const char* unsupported : {"single_word", "lstrip", "rstrip", "normalized"})
      if (token[unsupported].boolean(false)) token[unsupported].fail("false");
    added.push_back({token["content"].string(), token["id"].integer(INT32_MAX)});
    if (added.back().text.empty()) token["content"].fail("text");
  }
  return added;
}

/// The ids that stand before and after a single text.
void post_processor(const Node& node, WordPieceOptions& options) {
  const std::string& type = node["type"].string();
  if (type == "BertProcessing") {
    for (const auto& [key, id] : {std::pair{"cls", &options.cls}, std::pair{"sep", &options.sep}}) {
      const Node pair = node[key];
      if (pair.list() != 2) pair.fail("a token and its id");
      *id = pair[1].integer(INT32_MAX);
    }
    return;
  }
  if (type != "TemplateProcessing")
    node["type"].fail("\"TemplateProcessing\" or \"BertProcessing\"");
  const Node single = node["single"];
  if (single.list() != 3) single.fail("three parts, [CLS] text [SEP]");
  if (!single[1].json.contains("Sequence")) single[1].fail("a \"Sequence\"");
  for (const auto& [i, id] :
       {std::pair{size_t{0}, &options.cls}, std::pair{size_t{2}, &options.sep}}) {
    const Node name = single[i]["SpecialToken"]["id"];
    const Node ids = node["special_tokens"][name.string().c_str()]["ids"];
    if (ids.list() != 1) ids.fail("one id");
    *id = ids[size_t{0}].integer(INT32_MAX);
  }
}

}  // namespace

WordPiece parse_tokenizer_json(std::string_view text, std::string_view where) {
  const Json document = parse(text, where);
  const Node root{document, std::string(where) + ": "};
  const Node model = root["model"];
  model["type"].must_be("WordPiece");
  root["pre_tokenizer"]["type"].must_be("BertPreTokenizer");

  WordPieceOptions options;
  options.normalizer = normalizer(root["normalizer"]);
  options.added = added_tokens(root["added_tokens"]);
  post_processor(root["post_processor"], options);
  options.continuation = model["continuing_subword_prefix"].string();
  options.max_word_chars = model["max_input_chars_per_word"].integer(INT32_MAX);

  std::vector<std::string> tokens = vocabulary(model["vocab"]);
  const Node unknown = model["unk_token"];
  const Node id = model["vocab"][unknown.string().c_str()];
  if (id.json.is_null()) unknown.fail("a token of the vocabulary");
  options.unknown = id.integer(INT32_MAX);
  for (const auto& added : options.added) {
    const bool known = added.id < tokens.size() && tokens[added.id] == added.text;
    if (!known)
      throw Error(std::string(where) + ": added_tokens: expected the vocabulary's id for token " +
                  quoted(added.text) + ", found " + std::to_string(added.id));
  }
  try {
    return WordPiece(std::move(tokens), std::move(options));
  } catch (const Error& e) {
    throw Error(std::string(where) + ": " + e.what());
  }
}

WordPiece load_tokenizer_json(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  const std::streamoff size = in ? static_cast<std::streamoff>(in.tellg()) : -1;
  if (size < 0) throw Error(file.string() + ": expected a readable file, found none");
  if (static_cast<uint64_t>(size) > kMaxBytes)
    throw Error(file.string() + ": expected at most " + std::to_string(kMaxBytes) +
                " bytes, found " + std::to_string(size));
  std::string text(static_cast<size_t>(size), '\0');
  in.seekg(0).read(text.data(), size);
  if (!in) throw Error(file.string() + ": expected a readable file, found a read error");
  return parse_tokenizer_json(text, file.string());
}

}  // namespace sterna::language
