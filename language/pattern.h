#pragma once

#include <sterna/quant/error.h>

#include <optional>
#include <string>
#include <string_view>

#include "json_node.h"
#include "regex.h"

namespace sterna::language {

/// {"String": "..."} or {"Regex": "..."}: what Replace and Split look for. Never empty.
class Pattern {
 public:
  /// Throws sterna::Error that names the node for an expression that is not supported.
  explicit Pattern(const JsonNode& node);

  /// Calls found(begin, end) for each match of `text` (UTF-8), in order, none in another.
  template <class Found>
  void each(std::string_view text, Found found) const {
    Regex::Budget budget(text);
    for (size_t at = 0; at < text.size();) {
      const size_t begin = regex_ ? 0 : text.find(string_, at);
      const Regex::Match match =
          regex_ ? regex_->find(text, at, budget) : Regex::Match{begin, begin + string_.size()};
      if (match.begin == Regex::npos) return;
      found(match.begin, match.end);
      at = match.end;
    }
  }

 private:
  std::string string_;
  std::optional<Regex> regex_;
};

inline Pattern::Pattern(const JsonNode& node) {
  const JsonNode string = node["String"], regex = node["Regex"];
  if (string.absent() == regex.absent()) node.fail("a \"String\" or a \"Regex\"");
  if (!string.absent()) {
    string_ = string.string();
    if (string_.empty()) string.fail("text");
    return;
  }
  try {
    regex_.emplace(regex.string());
  } catch (const Error& e) {
    throw Error(regex.path + ": " + e.what());
  }
}

}  // namespace sterna::language
