#include "normalizers.h"

#include <sterna/quant/error.h>

#include <algorithm>
#include <optional>

#include "base64.h"
#include "byte_level.h"
#include "charsmap.h"
#include "normal_forms.h"
#include "pattern.h"
#include "unicode.h"
#include "unicode_classes.h"

namespace sterna::language {

namespace {

/// A normaliser that sees one character at a time.
template <class Write>
class Each final : public Normalizer {
 public:
  explicit Each(Write write) : write_(write) {}
  void apply(NormalText& text) const override { rewrite(text, write_); }

 private:
  Write write_;
};

template <class Write>
std::unique_ptr<Normalizer> each(Write write) {
  return std::make_unique<Each<Write>>(write);
}

void lower(char32_t c, std::string& out) {
  const unicode::Info& info = unicode::info(c);
  if (info.lower_size == 0) append(out, c);
  for (size_t i = 0; i < info.lower_size; ++i) append(out, unicode::kPool[info.lower + i]);
}

void strip_combining(char32_t c, std::string& out) {
  if (!unicode::is(c, unicode::kCombining)) append(out, c);
}

/// SentencePiece's nmt rules.
void nmt(char32_t c, std::string& out) {
  const auto in = [&](char32_t low, char32_t high) { return c >= low && c <= high; };
  if (in(1, 8) || c == 0xB || in(0xE, 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F) return;
  const bool space = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
                     in(0x200B, 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                     c == 0xFEFF || c == 0xFFFD;
  append(out, space ? U' ' : c);
}

class Normal final : public Normalizer {
 public:
  explicit Normal(NormalForm form) : form_(form) {}
  void apply(NormalText& text) const override {
    if (text.from_first == 0) {
      text.text = normal_form(text.text, form_);
      return;
    }
    std::vector<int32_t> changes;
    std::string out = normal_form(text.text, form_, &changes);
    FirstCharacter first(text);
    const char* p = out.data();
    for (const int32_t change : changes) {
      const char* const begin = p;
      utf8::next(p);
      first.emit(static_cast<size_t>(p - begin), change);
    }
    text.from_first = first.from_first();
    text.text = std::move(out);
  }

 private:
  NormalForm form_;
};

class Bert final : public Normalizer {
 public:
  explicit Bert(const JsonNode& node)
      : clean_(node["clean_text"].boolean()),
        chinese_(node["handle_chinese_chars"].boolean()),
        lower_(node["lowercase"].boolean()),
        strip_(node["strip_accents"].boolean(lower_)) {}
  void apply(NormalText& text) const override {
    if (clean_ || chinese_)
      rewrite(text, [&](char32_t c, std::string& out) {
        const uint8_t flags = unicode::info(c).flags;
        if (clean_ && flags & unicode::kDrop) return;
        const bool around = chinese_ && flags & unicode::kCjk;
        if (around) out += ' ';
        append(out, clean_ && flags & unicode::kSpace ? U' ' : c);
        if (around) out += ' ';
      });
    if (strip_) {
      Normal({false, false}).apply(text);
      rewrite(text, [](char32_t c, std::string& out) {
        if (!(unicode::info(c).flags & unicode::kMark)) append(out, c);
      });
    }
    if (lower_) rewrite(text, lower);
  }

 private:
  bool clean_, chinese_, lower_, strip_;
};

class Strip final : public Normalizer {
 public:
  explicit Strip(const JsonNode& node)
      : left_(node["strip_left"].boolean()), right_(node["strip_right"].boolean()) {}
  void apply(NormalText& text) const override {
    const char* const data = text.text.data();
    size_t begin = text.text.size(), end = 0;  // of what is no white space
    for (const char *p = data, *stop = data + text.text.size(); p != stop;) {
      const auto here = static_cast<size_t>(p - data);
      if (unicode::info(utf8::next(p)).flags & unicode::kWhite) continue;
      begin = std::min(begin, here);
      end = static_cast<size_t>(p - data);
    }
    if (right_) text.text.resize(end);
    if (!left_) return;
    begin = std::min(begin, text.text.size());
    text.text.erase(0, begin);
    text.from_first -= std::min(text.from_first, begin);
  }

 private:
  bool left_, right_;
};

class Replace final : public Normalizer {
 public:
  explicit Replace(const JsonNode& node)
      : pattern_(node["pattern"]), content_(node["content"].string()) {}
  void apply(NormalText& text) const override {
    std::string out;
    size_t copied = 0, from_first = 0;
    const auto copy = [&](size_t end) {
      from_first += std::min(end, text.from_first) - std::min(copied, text.from_first);
      out.append(text.text, copied, end - copied);
    };
    pattern_.each(text.text, [&](size_t begin, size_t end) {
      copy(begin);
      out += content_;
      if (end - 1 < text.from_first) from_first += content_.size();
      copied = end;
    });
    if (copied == 0) return;
    copy(text.text.size());
    text.text = std::move(out);
    text.from_first = from_first;
  }

 private:
  Pattern pattern_;
  std::string content_;
};

class Prepend final : public Normalizer {
 public:
  explicit Prepend(const JsonNode& node) : prepend_(node["prepend"].string()) {}
  void apply(NormalText& text) const override {
    if (text.text.empty()) return;
    text.text.insert(0, prepend_);
    if (text.from_first > 0) text.from_first += prepend_.size();
  }

 private:
  std::string prepend_;
};

class Precompiled final : public Normalizer {
 public:
  explicit Precompiled(const JsonNode& node) : map_(charsmap(node["precompiled_charsmap"])) {}
  void apply(NormalText& text) const override {
    std::string out;
    out.reserve(text.text.size() + 16);
    FirstCharacter first(text);
    map_->map(text.text, [&](std::string_view from, std::string_view to) {
      out += to;
      if (text.from_first > 0) align(from, to, first);
    });
    text.from_first = first.from_first();
    text.text = std::move(out);
  }

 private:
  /// Characters take each other's places in order; those left over are new or removed.
  static void align(std::string_view from, std::string_view to, FirstCharacter& first) {
    const auto count = [](std::string_view s) {
      return static_cast<int32_t>(std::count_if(s.begin(), s.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
      }));
    };
    const int32_t before = count(from), after = count(to);
    const char* p = to.data();
    for (int32_t i = 0; i < after; ++i) {
      const char* const begin = p;
      utf8::next(p);
      first.emit(static_cast<size_t>(p - begin), i < before ? 0 : 1);
    }
    if (after < before) first.remove(before - after);
  }
  static std::optional<Charsmap> charsmap(const JsonNode& node) {
    const auto bytes = base64(node.string());
    if (!bytes) node.fail("base64");
    try {
      return Charsmap(*bytes);
    } catch (const Error& e) {
      throw Error(node.path + ": " + e.what());
    }
  }
  std::optional<Charsmap> map_;
};

void read(const JsonNode& node, Normalizers& out) {
  const JsonNode type = node["type"];
  const std::string& name = type.string();
  if (name == "Sequence") {
    const JsonNode parts = node["normalizers"];
    for (size_t i = 0; i < parts.list(); ++i) read(parts[i], out);
  } else if (name == "BertNormalizer") {
    out.push_back(std::make_unique<Bert>(node));
  } else if (name == "Strip") {
    out.push_back(std::make_unique<Strip>(node));
  } else if (name == "Replace") {
    out.push_back(std::make_unique<Replace>(node));
  } else if (name == "Prepend") {
    out.push_back(std::make_unique<Prepend>(node));
  } else if (name == "Precompiled") {
    out.push_back(std::make_unique<Precompiled>(node));
  } else if (name == "NFC" || name == "NFD" || name == "NFKC" || name == "NFKD") {
    out.push_back(std::make_unique<Normal>(NormalForm{name.back() == 'C', name[2] == 'K'}));
  } else if (name == "Lowercase") {
    out.push_back(each(lower));
  } else if (name == "StripAccents") {
    out.push_back(each(strip_combining));
  } else if (name == "Nmt") {
    out.push_back(each(nmt));
  } else if (name == "ByteLevel") {
    out.push_back(each(append_byte_level));
  } else {
    type.fail("a supported normalizer");
  }
}

}  // namespace

void FirstCharacter::settle() {
  if (size_ == 0 || offset_ > old_.from_first) return;  // none yet, or none of the first any more
  const bool first =
      change_ > 0 ? offset_ < 1 || offset_ - 1 < old_.from_first : offset_ < old_.from_first;
  bytes_ += size_;
  if (first) from_first_ = bytes_;
  for (int32_t n = change_; n <= 0 && offset_ < old_.text.size(); ++n) {
    const char* p = old_.text.data() + offset_;
    utf8::next(p);
    offset_ = static_cast<size_t>(p - old_.text.data());
  }
}

Normalizers read_normalizers(const JsonNode& node) {
  Normalizers out;
  if (!node.absent()) read(node, out);
  return out;
}

}  // namespace sterna::language
