#include "quantize_rules.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <sterna/quant/ggml_blocks.h>
#include <sterna/quant/ggml_ternary.h>

#include "sterna/models/quantize.h"
#include "text.h"

namespace sterna::models {
namespace {

/// To add a layout of quant's: its name, here and in quant::Type.
constexpr std::array kFormats = {
    Format{"keep"},
    Format{"f32"},
    Format{"f16"},
    Format{.name = "bf16", .layout = true},
    Format{.name = "i8", .layout = true, .groups = true},
    Format{.name = "t2", .layout = true, .groups = true},
    Format{.name = "t5", .layout = true, .groups = true},
    Format{.name = "t34", .layout = true, .groups = true},
    Format{.name = "t14", .layout = true, .groups = true},
    Format{.name = "i8row", .row_table = true},
    Format{.name = "q4_0", .block = quant::kGgmlBlockWeights},
    Format{.name = "tq1_0", .block = quant::kTernaryBlockWeights},
    Format{.name = "tq2_0", .block = quant::kTernaryBlockWeights},
};

/// Words that stand for tensors by what the model makes of them.
struct Word {
  std::string_view word;
  bool (*means)(const Role& role);
};
constexpr std::array kWords = {
    Word{"@maps", [](const Role& r) { return r.use <= Use::map; }},
    Word{"@blocks", [](const Role& r) { return r.use == Use::block_map; }},
    Word{"@predictor",
         [](const Role& r) { return r.use == Use::block_map && r.part == Part::predictor; }},
    Word{"@tower", [](const Role& r) { return r.use == Use::block_map && r.part == Part::tower; }},
    Word{"@text", [](const Role& r) { return r.use == Use::block_map && r.part == Part::text; }},
    Word{"@tables", [](const Role& r) { return r.use == Use::table; }},
};

/// "a, b or c" of the names of a list.
template <class List, class Name>
std::string listed(const List& list, Name name) {
  std::string text;
  for (size_t i = 0; i < list.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == list.size() ? " or " : ", ") + std::string(name(list[i]));
  }
  return text;
}

// The first match wins. Order: from the exception to the rule.
const std::vector<QuantizeRule>& shipped() {
  static const std::vector<QuantizeRule> rules = {
      // Vectors, and what convolutions read: few numbers, widened when the file is opened.
      {"*norm.weight", "f16"},
      {"*.bias", "f16"},
      {"vision.position", "f16"},
      {"generator.position", "f16"},
      {"vision.stem.conv.weight", "f32"},
      {"vision.stem.blocks.*.depthwise.weight", "f16"},
      // Trained ternary.
      {"vision.blocks.*.weight", "t5"},
      {"predictor.blocks.*.weight", "t5"},
      {"predictor.ground.blocks.*.weight", "t5"},
      {"generator.blocks.*.weight", "t5"},
      {"prefix.weight", "t5"},
      {"language.blocks.*.weight", "t5"},
      {"language.token_embedding", "t5"},
      // Of 5,500 answers the nearest is found as well.
      {"decoder.answers", "t5"},
      {"language.position", "i8row"},
      // Trained in float, and 4 bits lose little; the stem's are rounded for it (round_stem.py).
      {"vision.class_embedding", "q4_0", "i8row"},
      {"generator.table", "q4_0", "i8row"},
      {"generator.prefix.weight", "q4_0", "i8row"},
      {"vision.classifier.weight", "q4_0", "i8row"},
      // The first two are small, and all that follows hangs on them.
      {"vision.stem.blocks.0.project.weight", "i8row"},
      {"vision.stem.blocks.1.project.weight", "i8row"},
      {"vision.stem.*.weight", "q4_0", "i8row"},
      {"predictor.question.weight", "q4_0", "i8row"},
      {"predictor.vision.weight", "q4_0", "i8row"},
      {"predictor.ground.map.weight", "q4_0", "i8row"},
      {"predictor.head.weight", "q4_0", "i8row"},
      {"predictor.pointer_query.weight", "q4_0", "i8row"},
      {"predictor.pointer_key.weight", "q4_0", "i8row"},
      {"predictor.read*.weight", "q4_0", "i8row"},
      // Of inputs of many sizes: int8 costs a tenth of CIFAR's photos.
      {"vision.tokens.weight", "bf16"},
      {"predictor.match.weight", "bf16"},
      {"predictor.*_found.weight", "bf16"},
      {"predictor.referents.*.weight", "bf16"},
      // The gate.
      {"*", "keep"},
  };
  return rules;
}

QuantizeRule parse_rule(std::string_view text) {
  const auto fail = [&](const std::string& fault) {
    throw Error("rule " + in_quotes(text) + ": " + fault);
  };
  const size_t equals = text.rfind('=');
  if (equals == std::string_view::npos || equals == 0) fail("expected PATTERN=TYPE");
  QuantizeRule rule{std::string(text.substr(0, equals)), {}};
  std::string_view type = text.substr(equals + 1);
  if (const size_t slash = type.find('/'); slash != std::string_view::npos) {
    const std::string_view group = type.substr(slash + 1);
    const auto [end, code] = std::from_chars(group.data(), group.data() + group.size(), rule.group);
    const bool known = rule.group == 64 || rule.group == 128 || rule.group == 256;
    if (code != std::errc() || end != group.data() + group.size() || !known) {
      fail("expected a group of 64, 128 or 256, found " + in_quotes(group));
    }
    type = type.substr(0, slash);
  }
  const auto known_format = [&](std::string_view name) {
    const auto format = std::find_if(kFormats.begin(), kFormats.end(),
                                     [&](const Format& f) { return f.name == name; });
    if (format == kFormats.end()) {
      fail("expected type " + listed(kFormats, [](const Format& f) { return f.name; }) +
           ", found " + in_quotes(name));
    }
    return format;
  };
  if (const size_t bar = type.find('|'); bar != std::string_view::npos) {
    rule.otherwise = known_format(type.substr(bar + 1))->name;
    type = type.substr(0, bar);
  }
  const auto format = known_format(type);
  rule.type = type;
  if (!rule.otherwise.empty() && format->block == 0) {
    fail("expected a type of blocks, which rows may not fill, before |" + rule.otherwise +
         ", found " + rule.type);
  }
  if (rule.group != 0 && !format->groups) fail("expected no group for " + rule.type);
  const bool known = std::any_of(kWords.begin(), kWords.end(),
                                 [&](const Word& w) { return w.word == rule.pattern; });
  if (rule.pattern.starts_with('@') && !known) {
    fail("expected a pattern, or " + listed(kWords, [](const Word& w) { return w.word; }));
  }
  return rule;
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text) noexcept {
  // Greedy with one point of return: on a mismatch the last * takes one more byte.
  size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

const QuantizeRule* find_rule(std::span<const QuantizeRule> rules, std::string_view name,
                              const Role* role) noexcept {
  const auto found = std::find_if(rules.begin(), rules.end(), [&](const QuantizeRule& rule) {
    for (const Word& word : kWords)
      if (word.word == rule.pattern) return role != nullptr && word.means(*role);
    return glob_matches(rule.pattern, name);
  });
  return found == rules.end() ? nullptr : &*found;
}

const Format& format_of(std::string_view type) {
  for (const Format& format : kFormats)
    if (format.name == type) return format;
  throw Error("expected type " + listed(kFormats, [](const Format& f) { return f.name; }) +
              ", found " + in_quotes(type));
}

bool has_words(std::span<const QuantizeRule> rules) noexcept {
  return std::any_of(rules.begin(), rules.end(),
                     [](const QuantizeRule& rule) { return rule.pattern.starts_with('@'); });
}

std::vector<QuantizeRule> parse_rules(std::string_view text) {
  std::vector<QuantizeRule> rules;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view rule = text.substr(0, comma);
    text = text.substr(std::min(comma + 1, text.size()));
    if (rule == "shipped") {
      rules.insert(rules.end(), shipped().begin(), shipped().end());
    } else {
      rules.push_back(parse_rule(rule));
    }
  }
  if (rules.empty()) throw Error("expected rules PATTERN=TYPE,..., found none");
  return rules;
}

std::span<const QuantizeRule> shipped_rules() { return shipped(); }

}  // namespace sterna::models
