#pragma once

#include <sterna/language/wordpiece.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

#include "unicode.h"
#include "utf8.h"

namespace sterna::language {

/// Cuts text into BERT's words: normaliser and pre-tokenizer of transformers in one streaming pass,
/// code point by code point. Calls sink(word, chars) for each word, in UTF-8; a word of more than
/// `max_chars` code points is given with its first ones only. Stops when sink returns false.
template <class Sink>
class Words {
 public:
  static constexpr size_t kMaxChars = 1000;

  /// max_chars <= kMaxChars.
  Words(const BertNormalizer& options, size_t max_chars, Sink sink)
      : options_(options), max_chars_(max_chars), sink_(sink) {}

  /// `text` must be UTF-8.
  void run(std::string_view text) {
    const char* p = text.data();
    const char* const end = p + text.size();
    while (p != end && !stopped_) feed(utf8::next(p));
    flush();
    end_word();
  }

 private:
  void feed(char32_t c) {
    const unicode::Info& info = unicode::info(c);
    if (options_.clean_text) {
      if (info.flags & unicode::kDrop) return;
      if (info.flags & unicode::kSpace) c = ' ';
    }
    if (info.flags & unicode::kCjk && options_.split_cjk) {
      decompose(' ');
      decompose(c);
      decompose(' ');
    } else {
      decompose(c);
    }
  }

  void decompose(char32_t c) {
    if (!options_.strip_accents || (c < 0x80 && marks_.empty())) return lower(c);
    if (unicode::is_hangul_syllable(c)) {  // Unicode 3.12
      const char32_t s = c - 0xAC00;
      order(0x1100 + s / 588);
      order(0x1161 + s % 588 / 28);
      if (s % 28 != 0) order(0x11A7 + s % 28);
      return;
    }
    const unicode::Info& info = unicode::info(c);
    if (info.decomposed_size == 0) return order(c);
    for (size_t i = 0; i < info.decomposed_size; ++i) order(unicode::kPool[info.decomposed + i]);
  }

  /// Canonical ordering (Unicode 3.11, D109): runs of code points of class > 0 sorted by class.
  /// Non-spacing marks go here already; one of class 0 still ends a run.
  void order(char32_t c) {
    const unicode::Info& info = unicode::info(c);
    const bool mark = info.flags & unicode::kMark;
    if (info.combining_class == 0) {
      flush();
      if (!mark) lower(c);
    } else if (!mark) {
      marks_.push_back({info.combining_class, c});
    }
  }

  void flush() {
    if (marks_.empty()) return;
    std::stable_sort(marks_.begin(), marks_.end(),
                     [](const Mark& a, const Mark& b) { return a.order < b.order; });
    for (const Mark& m : marks_) lower(m.code);
    marks_.clear();
  }

  void lower(char32_t c) {
    const unicode::Info& info = unicode::info(c);
    if (!options_.lowercase || info.lower_size == 0) return place(c, info);
    for (size_t i = 0; i < info.lower_size; ++i) {
      const char32_t l = unicode::kPool[info.lower + i];
      place(l, unicode::info(l));
    }
  }

  void place(char32_t c, const unicode::Info& info) {
    if (info.flags & unicode::kWhite) return end_word();
    const bool alone = info.flags & unicode::kPunctuation;
    if (alone) end_word();
    if (chars_ < max_chars_) bytes_ += utf8::encode(c, word_.data() + bytes_);
    ++chars_;
    if (alone) end_word();
  }

  void end_word() {
    if (chars_ > 0 && !stopped_) stopped_ = !sink_(std::string_view(word_.data(), bytes_), chars_);
    bytes_ = chars_ = 0;
  }

  struct Mark {
    uint8_t order;
    char32_t code;
  };

  const BertNormalizer options_;
  const size_t max_chars_;
  Sink sink_;
  std::vector<Mark> marks_;  // spacing marks of class > 0 that wait for their order; rare
  std::array<char, kMaxChars * 4> word_;
  size_t bytes_ = 0, chars_ = 0;
  bool stopped_ = false;
};

}  // namespace sterna::language
