#pragma once

#include <sterna/language/tokenizer.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "source.h"

namespace sterna::models {

/// How a checkpoint wants its texts. Const; any number of threads may use it.
struct TextInput {
  language::Tokenizer tokenizer;
  std::string prompt = {};  // stands before every text
  size_t most = 0;          // tokens of a text, those of the template among them; 0: any
  bool canonical = false;   // SigLIP's: in lower case, without ASCII punctuation, in single spaces
  /// SigLIP's: every text is brought to `most` tokens, which is how the model was trained.
  bool padded = false, pad_left = false, pads_hidden = false;
  uint32_t pad = 0;

  /// The ids of a text, and which of them are padding that others don't see (empty: none). Throws
  /// sterna::Error for a text that the tokenizer can't take.
  struct Tokens {
    std::vector<uint32_t> ids;
    std::vector<uint8_t> hidden;
  };
  Tokens read(std::string_view text) const;
  /// Whether read() takes `text` to its end.
  bool reads_whole(std::string_view text) const;

 private:
  std::string prepared(std::string_view text) const;
};

/// Reads, of the folder or of the Transformer of its modules.json: tokenizer.json;
/// tokenizer_config.json (model_max_length, padding_side, truncation_side, pad_token,
/// model_input_names); for sentence-transformers also sentence_bert_config.json (max_seq_length,
/// do_lower_case) and config_sentence_transformers.json (prompts, default_prompt_name).
/// `longest` is what the tower takes, 0: any; `model_type` is that of config.json, for the habits
/// of SigLIP (SiglipTokenizer's canonicalize_text, Siglip2Tokenizer's lower case). Throws
/// sterna::Error naming file and key.
TextInput read_text_input(const Source& source, size_t longest, const std::string& model_type);

/// Whether there is a tokenizer.json where read_text_input() looks for it.
bool has_tokenizer(const Source& source);

}  // namespace sterna::models
