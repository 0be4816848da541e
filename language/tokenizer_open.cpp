// Binds the nodes of a tokenizer.json to the parts of a Tokenizer.
#include <sterna/language/tokenizer.h>
#include <sterna/quant/error.h>

#include <algorithm>

#include "tokenizer_parts.h"

namespace sterna::language {

namespace {

constexpr size_t kMaxAdded = 65536;
constexpr uint32_t kMaxId = INT32_MAX;

/// As `tokenizers` numbers them: the model's id where it has the text, else the next free one. A
/// file that says otherwise is refused.
void read_added_tokens(const JsonNode& node, Tokenizer::Parts& parts, uint32_t& largest) {
  if (node.absent()) return;
  if (node.list() > kMaxAdded) node.fail("at most " + std::to_string(kMaxAdded) + " tokens");
  auto next = static_cast<uint32_t>(parts.model->size());
  std::unordered_map<uint32_t, size_t> last;  // node of each id: a repeated one replaces the first
  for (size_t i = 0; i < node.list(); ++i) {
    const std::string& text = node[i]["content"].string();
    if (text.empty()) continue;
    const auto known = parts.added_ids.find(text);
    const auto of_model = parts.model->find(text);
    const uint32_t id = known != parts.added_ids.end() ? known->second
                        : of_model                     ? *of_model
                                                       : next++;
    if (node[i]["id"].integer(kMaxId) != id) node[i]["id"].fail(std::to_string(id));
    parts.added_ids[text] = id;
    last[id] = i;
    largest = std::max(largest, id);
  }
  for (size_t i = 0; i < node.list(); ++i) {
    const JsonNode token = node[i];
    const std::string& text = token["content"].string();
    if (text.empty() || last[parts.added_ids[text]] != i) continue;
    AddedToken added{text, parts.added_ids[text], token["single_word"].boolean(),
                     token["lstrip"].boolean(), token["rstrip"].boolean()};
    const bool normalized = token["normalized"].boolean();
    if (normalized) {
      NormalText normal{text, 0};
      for (const auto& normalizer : parts.normalizers) normalizer->apply(normal);
      added.text = normal.text;
    }
    try {
      (normalized ? parts.added_normalized : parts.added).add(std::move(added));
    } catch (const Error& e) {
      throw Error(token.path + ": " + e.what());
    }
  }
}

bool is_left(const JsonNode& direction) {
  if (direction.absent()) return false;
  if (direction.string() != "Left" && direction.string() != "Right")
    direction.fail("Left or Right");
  return direction.string() == "Left";
}

}  // namespace

Tokenizer Tokenizer::open(std::string_view json, std::string_view file_name, bool lower_case) {
  const nlohmann::json document = parse_json(json, file_name);
  const JsonNode root{document, std::string(file_name) + ": "};
  auto parts = std::make_unique<Parts>();
  parts->file = file_name;
  if (!root["version"].absent()) root["version"].must_be("1.0");
  const JsonNode normalizer = root["normalizer"], pre_tokenizer = root["pre_tokenizer"];
  uint32_t largest = 0;
  if (lower_case) {
    const nlohmann::json first{{"type", "Lowercase"}};
    parts->normalizers = read_normalizers({first, root.path});
  }
  for (auto& own : read_normalizers(normalizer)) parts->normalizers.push_back(std::move(own));
  parts->pre_tokenizers = read_pre_tokenizers(pre_tokenizer);
  for (const auto& p : parts->pre_tokenizers) parts->asks_for_first |= p->asks_for_first();
  parts->model = read_model(root["model"], normalizer, largest);
  read_added_tokens(root["added_tokens"], *parts, largest);
  read_post_processor(root["post_processor"], parts->before, parts->after);
  for (const auto* ids : {&parts->before, &parts->after})
    for (const uint32_t id : *ids) largest = std::max(largest, id);
  parts->size = size_t{largest} + 1;

  const auto* const pieces = dynamic_cast<const WordPieceModel*>(parts->model.get());
  const auto is = [](const JsonNode& node, std::string_view type) {
    return !node.absent() && node["type"].string() == type;
  };
  if (pieces != nullptr && is(normalizer, "BertNormalizer") &&
      is(pre_tokenizer, "BertPreTokenizer") && parts->added_normalized.empty() && !lower_case)
    parts->bert = &pieces->pieces();

  const JsonNode truncation = root["truncation"], padding = root["padding"];
  if (!truncation.absent())
    parts->truncation = {truncation["max_length"].integer(kMaxId),
                         is_left(truncation["direction"])};
  if (!padding.absent())
    parts->padding = {padding["pad_id"].integer(kMaxId), is_left(padding["direction"])};
  return Tokenizer(std::move(parts));
}

Tokenizer Tokenizer::load(const std::filesystem::path& file) {
  return open(read_json_file(file), file.string());
}

}  // namespace sterna::language
