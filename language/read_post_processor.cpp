// The "post_processor" of a tokenizer.json.
#include "tokenizer_parts.h"

namespace sterna::language {

namespace {

constexpr uint32_t kMaxId = INT32_MAX;

void put_template(const JsonNode& node, std::vector<uint32_t>& before,
                  std::vector<uint32_t>& after) {
  const JsonNode single = node["single"];
  std::vector<uint32_t> front, back;
  bool text = false;
  for (size_t i = 0; i < single.list(); ++i) {
    const JsonNode part = single[i];
    const JsonNode sequence = part["Sequence"], special = part["SpecialToken"];
    if (!sequence.absent()) {
      sequence["id"].must_be("A");
      if (text) part.fail("one Sequence", "two");
      text = true;
      continue;
    }
    if (special.absent()) part.fail("a \"Sequence\" or a \"SpecialToken\"");
    const std::string& name = special["id"].string();
    const JsonNode ids = node["special_tokens"][name]["ids"];
    for (size_t k = 0; k < ids.list(); ++k) (text ? back : front).push_back(ids[k].integer(kMaxId));
  }
  if (!text) single.fail("a Sequence", "none");
  before.insert(before.begin(), front.begin(), front.end());
  after.insert(after.end(), back.begin(), back.end());
}

/// ["[CLS]", 101]
uint32_t token_and_id(const JsonNode& node) {
  if (node.list() != 2) node.fail("a token and its id");
  return node[1].integer(kMaxId);
}

}  // namespace

void read_post_processor(const JsonNode& node, std::vector<uint32_t>& before,
                         std::vector<uint32_t>& after) {
  if (node.absent()) return;
  const JsonNode type = node["type"];
  const std::string& name = type.string();
  if (name == "Sequence") {
    const JsonNode parts = node["processors"];
    for (size_t i = 0; i < parts.list(); ++i) read_post_processor(parts[i], before, after);
  } else if (name == "TemplateProcessing") {
    put_template(node, before, after);
  } else if (name == "BertProcessing" || name == "RobertaProcessing") {
    before.insert(before.begin(), token_and_id(node["cls"]));
    after.push_back(token_and_id(node["sep"]));
  } else if (name != "ByteLevel") {  // which moves offsets alone
    type.fail("a supported post-processor");
  }
}

}  // namespace sterna::language
