#include "pre_tokenizers.h"

#include <sterna/quant/error.h>

#include <algorithm>
#include <utility>

#include "byte_level.h"
#include "cut.h"
#include "pattern.h"
#include "unicode.h"
#include "unicode_classes.h"
#include "utf8.h"

namespace sterna::language {

namespace {

bool is_white(char32_t c) { return (unicode::info(c).flags & unicode::kWhite) != 0; }
bool is_punctuation(char32_t c) { return (unicode::info(c).flags & unicode::kPunctuation) != 0; }
bool is_numeric(char32_t c) { return unicode::is(c, unicode::kNumeric); }

template <class Is>
class Characters final : public PreTokenizer {
 public:
  Characters(Is is, Delimiter behaviour) : is_(is), behaviour_(behaviour) {}
  void apply(Pieces& pieces) const override { cut(pieces, behaviour_, characters(is_)); }

 private:
  Is is_;
  Delimiter behaviour_;
};

template <class Is>
void add_characters(Is is, Delimiter behaviour, PreTokenizers& out) {
  out.push_back(std::make_unique<Characters<Is>>(is, behaviour));
}

/// \w+|[^\w\s]+ and nothing else.
class Whitespace final : public PreTokenizer {
 public:
  void apply(Pieces& pieces) const override {
    cut(pieces, Delimiter::kRemoved, [](std::string_view text, std::vector<Stretch>& out) {
      int previous = -1;
      const char* const data = text.data();
      for (const char *p = data, *end = data + text.size(); p != end;) {
        const auto here = static_cast<size_t>(p - data);
        const char32_t c = utf8::next(p);
        const bool space = unicode::is(c, unicode::kSpaceOfRegex);
        const int kind = unicode::is(c, unicode::kWord) ? 1 : space ? 0 : 2;
        if (kind != previous) out.push_back({here, here, kind == 0});
        out.back().end = static_cast<size_t>(p - data);
        previous = kind;
      }
    });
  }
};

Delimiter behaviour(const JsonNode& node) {
  static constexpr std::pair<std::string_view, Delimiter> kNames[] = {
      {"Removed", Delimiter::kRemoved},
      {"Isolated", Delimiter::kIsolated},
      {"MergedWithPrevious", Delimiter::kMergedWithPrevious},
      {"MergedWithNext", Delimiter::kMergedWithNext},
      {"Contiguous", Delimiter::kContiguous}};
  for (const auto& [name, value] : kNames)
    if (node.string() == name) return value;
  node.fail("Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

class Split final : public PreTokenizer {
 public:
  explicit Split(const JsonNode& node)
      : pattern_(node["pattern"]),
        behaviour_(behaviour(node["behavior"])),
        invert_(node["invert"].boolean()) {}
  void apply(Pieces& pieces) const override {
    const auto each = [&](std::string_view text, auto found) { pattern_.each(text, found); };
    cut(pieces, behaviour_, matches(each, invert_));
  }

 private:
  Pattern pattern_;
  Delimiter behaviour_;
  bool invert_;
};

class ByteLevel final : public PreTokenizer {
 public:
  explicit ByteLevel(const JsonNode& node)
      : prefix_(node["add_prefix_space"].boolean()), cut_(node["use_regex"].boolean(true)) {}
  void apply(Pieces& pieces) const override {
    if (prefix_)
      rewrite(pieces, [&](const Pieces::Piece& piece, std::string& out) {
        const std::string_view text = pieces.view(piece);
        if (text[0] != ' ') out += ' ';
        out += text;
      });
    if (cut_) {
      static const Regex kGpt2(
          R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)");
      const auto each = [](std::string_view text, auto found) {
        Regex::Budget budget(text);
        for (size_t at = 0; at < text.size();) {
          const Regex::Match m = kGpt2.find(text, at, budget);
          if (m.begin == Regex::npos) return;
          found(m.begin, m.end);
          at = m.end;
        }
      };
      cut(pieces, Delimiter::kIsolated, matches(each, false));
    }
    rewrite(pieces, [&](const Pieces::Piece& piece, std::string& out) {
      char letter[4];
      for (const char c : pieces.view(piece))
        out.append(letter, utf8::encode(byte_letter(static_cast<unsigned char>(c)), letter));
    });
  }

 private:
  bool prefix_, cut_;
};

class Metaspace final : public PreTokenizer {
 public:
  explicit Metaspace(const JsonNode& node)
      : mark_(node["replacement"].string()), split_(node["split"].boolean(true)) {
    const auto first = mark_.empty() ? utf8::Decoded{0, 1} : utf8::decode(mark_);
    if (mark_.size() != first.size) node["replacement"].fail("one character");
    const JsonNode scheme = node["prepend_scheme"], old = node["add_prefix_space"];
    const std::string name = scheme.string_or("always");
    if (name != "always" && name != "first" && name != "never")
      scheme.fail("always, first or never");
    const bool prefix = old.boolean(true);
    if (!prefix && name != "never") scheme.fail("never, as add_prefix_space has it");
    always_ = name == "always";
    first_ = name == "first";
  }
  void apply(Pieces& pieces) const override {
    rewrite(pieces, [&](const Pieces::Piece& piece, std::string& out) {
      const std::string_view text = pieces.view(piece);
      const bool marked = text[0] == ' ' || text.starts_with(mark_);
      if (!marked && (always_ || (first_ && piece.from_first))) out += mark_;
      for (const char c : text) c == ' ' ? out += mark_ : out += c;
    });
    if (!split_) return;
    const auto each = [&](std::string_view text, auto found) {
      for (size_t at = 0; (at = text.find(mark_, at)) != text.npos; at += mark_.size())
        found(at, at + mark_.size());
    };
    cut(pieces, Delimiter::kMergedWithNext, matches(each, false));
  }
  bool asks_for_first() const override { return first_; }

 private:
  std::string mark_;
  bool split_, always_, first_;
};

void read(const JsonNode& node, PreTokenizers& out) {
  const JsonNode type = node["type"];
  const std::string& name = type.string();
  if (name == "Sequence") {
    const JsonNode parts = node["pretokenizers"];
    for (size_t i = 0; i < parts.list(); ++i) read(parts[i], out);
  } else if (name == "ByteLevel") {
    out.push_back(std::make_unique<ByteLevel>(node));
  } else if (name == "Split") {
    out.push_back(std::make_unique<Split>(node));
  } else if (name == "Metaspace") {
    out.push_back(std::make_unique<Metaspace>(node));
  } else if (name == "Whitespace") {
    out.push_back(std::make_unique<Whitespace>());
  } else if (name == "WhitespaceSplit") {
    add_characters(is_white, Delimiter::kRemoved, out);
  } else if (name == "BertPreTokenizer") {
    add_characters(is_white, Delimiter::kRemoved, out);
    add_characters(is_punctuation, Delimiter::kIsolated, out);
  } else if (name == "Punctuation") {
    const JsonNode how = node["behavior"];
    add_characters(is_punctuation, how.absent() ? Delimiter::kIsolated : behaviour(how), out);
  } else if (name == "Digits") {
    const bool each = node["individual_digits"].boolean();
    add_characters(is_numeric, each ? Delimiter::kIsolated : Delimiter::kContiguous, out);
  } else {
    type.fail("a supported pre-tokenizer");
  }
}

}  // namespace

PreTokenizers read_pre_tokenizers(const JsonNode& node) {
  PreTokenizers out;
  if (!node.absent()) read(node, out);
  return out;
}

}  // namespace sterna::language
