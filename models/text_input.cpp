#include "text_input.h"

#include <sterna/language/lower_case.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "config.h"

namespace sterna::models {
namespace {

/// Where the tower lies: for sentence-transformers in the folder of the first module.
Source tower_of(const Source& source) {
  if (!source.has("modules.json")) return source;
  return source.inner(source.configs("modules.json")[0], "path");
}

std::optional<Config> read_if_there(const Source& source, std::string_view file) {
  if (!source.has(file)) return {};
  return source.config(file);
}

/// The least of the limits that are there; 0 stands for none.
void limit(size_t& most, size_t other) {
  if (other != 0) most = most == 0 ? other : std::min(most, other);
}

/// A token as tokenizer_config.json has it: a text, or an object with its content.
std::string token_of(const Config& config, std::string_view key) {
  return config.is_object(key) ? config.in(key).string("content") : config.string(key);
}

void read_padding(const std::optional<Config>& config, const std::string& file,
                  const std::string& model_type, TextInput& input) {
  if (input.most == 0) throw Error(file + ": expected a text tower with positions");
  input.padded = true;
  input.pads_hidden = true;
  std::optional<uint32_t> pad;
  if (input.tokenizer.padding()) pad = input.tokenizer.padding()->id;
  if (config) {
    const std::string type = config->string("tokenizer_class", "");
    input.canonical = type.starts_with("SiglipTokenizer");
    const std::string side =
        config->string("padding_side", model_type.starts_with("siglip2") ? "left" : "right");
    if (side != "left" && side != "right") config->fail("padding_side", "\"left\" or \"right\"");
    input.pad_left = side == "left";
    if (config->has("model_input_names")) {
      const auto names = config->strings("model_input_names");
      input.pads_hidden = std::find(names.begin(), names.end(), "attention_mask") != names.end();
    }
    if (config->has("pad_token")) pad = input.tokenizer.id(token_of(*config, "pad_token"));
    if (!pad) config->fail("pad_token", "a token of tokenizer.json");
  }
  if (!pad) throw Error(file + ": expected a pad_token, found no such file");
  input.pad = *pad;
}

void read_sentence_settings(const Source& source, const Source& tower, size_t longest,
                            TextInput& input) {
  size_t told = 0;
  if (const auto config = read_if_there(tower, "sentence_bert_config.json")) {
    if (config->boolean("do_lower_case", false)) config->fail("do_lower_case", "false");
    told = config->integer("max_seq_length", 1, 1 << 24, 0);
  }
  if (told != 0) {  // in the place of the tokenizer's (sentence-transformers, Transformer.__init__)
    input.most = longest;
    limit(input.most, told);
  } else {
    limit(input.most,
          tower.config("config.json").integer("max_position_embeddings", 1, 1 << 24, 0));
  }
  const auto config = read_if_there(source, "config_sentence_transformers.json");
  if (!config || !config->has("default_prompt_name")) return;
  const std::string name = config->string("default_prompt_name");
  if (!config->in("prompts").has(name))
    config->fail("default_prompt_name", "the name of one of the prompts");
  input.prompt = config->in("prompts").string(name);
  for (const Config& module : source.configs("modules.json")) {
    if (!module.string("type").ends_with(".Pooling")) continue;
    const Config pooling = source.inner(module, "path").config("config.json");
    if (!input.prompt.empty() && !pooling.boolean("include_prompt", true))
      pooling.fail("include_prompt", "true");
  }
}

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 28 && c <= 31); }

/// SiglipTokenizer.canonicalize_text, of text in lower case; spaces outside of ASCII are left to
/// the tokenizer.json.
std::string canonical_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool punctuation = (c >= '!' && c <= '/') || (c >= ':' && c <= '@') ||
                             (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
    if (punctuation) continue;
    if (!is_space(c)) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

}  // namespace

std::string TextInput::prepared(std::string_view text) const {
  return prompt + (canonical ? canonical_text(language::lower_case(text)) : std::string(text));
}

TextInput::Tokens TextInput::read(std::string_view text) const {
  Tokens tokens;
  tokenizer.encode(prepared(text), most, tokens.ids);
  if (!padded || tokens.ids.size() >= most) return tokens;
  const size_t missing = most - tokens.ids.size();
  const auto at = [&](auto& list) { return pad_left ? list.begin() : list.end(); };
  if (pads_hidden) {
    tokens.hidden.resize(tokens.ids.size());
    tokens.hidden.insert(at(tokens.hidden), missing, uint8_t{1});
  }
  tokens.ids.insert(at(tokens.ids), missing, pad);
  return tokens;
}

bool TextInput::reads_whole(std::string_view text) const {
  return most == 0 || tokenizer.encode(prepared(text)).size() <= most;
}

bool has_tokenizer(const Source& source) { return tower_of(source).has("tokenizer.json"); }

TextInput read_text_input(const Source& source, size_t longest, const std::string& model_type) {
  const Source tower = tower_of(source);
  const Source::Text json = tower.text("tokenizer.json");
  TextInput input{.tokenizer = language::Tokenizer::open(
                      {reinterpret_cast<const char*>(json.bytes.data()), json.bytes.size()},
                      tower.where("tokenizer.json"), model_type.starts_with("siglip2"))};
  input.most = longest;
  const auto config = read_if_there(tower, "tokenizer_config.json");
  if (config) {
    // 1e30 and the like stand for no limit.
    constexpr double kNoLimit = 1e7;
    const double told = config->number("model_max_length", 1, 1e300, kNoLimit);
    if (told < kNoLimit) limit(input.most, static_cast<size_t>(told));
    const bool left = config->string("truncation_side", "right") == "left";
    const auto& truncation = input.tokenizer.truncation();
    if (left != (truncation && truncation->left))
      config->fail("truncation_side", "that of tokenizer.json's truncation, or right without one");
  }
  if (source.has("modules.json")) read_sentence_settings(source, tower, longest, input);
  if (model_type.starts_with("siglip"))
    read_padding(config, tower.where("tokenizer_config.json"), model_type, input);
  return input;
}

}  // namespace sterna::models
