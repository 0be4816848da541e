// What an expression writes for one code point: literals, escapes, sets in brackets.
#include <iterator>

#include "regex_parser.h"
#include "unicode_classes.h"

namespace sterna::language {

namespace {

using Item = PointSet::Item;

bool is_ascii_letter(char32_t c) { return (c | 0x20) - 'a' < 26; }

Item range(char32_t low, char32_t high) { return {PointSet::kRange, false, low, high}; }

}  // namespace

void RegexParser::add_literal(PointSet& set, char32_t c, bool icase) const {
  set.items.push_back(range(c, c));
  if (!icase) return;
  if (c >= 0x80) fail("ASCII in (?i:");
  if (!is_ascii_letter(c)) return;
  set.items.push_back(range(c ^ 0x20, c ^ 0x20));
  if ((c | 0x20) == 's') set.items.push_back(range(0x17F, 0x17F));    // long s
  if ((c | 0x20) == 'k') set.items.push_back(range(0x212A, 0x212A));  // the Kelvin sign
}

PointSet RegexParser::atom(bool icase) {
  PointSet set;
  if (accept("[")) {
    bracket(set, icase);
  } else if (accept("\\")) {
    const Item item = escape();
    if (item.kind == PointSet::kRange && !item.negated) {
      add_literal(set, item.low, icase);
    } else {
      set.items.push_back(item);
    }
  } else if (std::string_view("^$.?*+{").find(pattern_[at_]) != std::string_view::npos) {
    fail("a literal, a set or a group");
  } else {
    add_literal(set, take(), icase);
  }
  return set;
}

void RegexParser::bracket(PointSet& set, bool icase) {
  if (icase) fail("no set in (?i:");
  set.negated = accept("^");
  const size_t begin = at_;
  while (!accept("]")) {
    if (!more()) fail("]");
    if (pattern_[at_] == '[' || accept("&&") || (pattern_[at_] == '-' && at_ == begin))
      fail("a set of ranges and escapes");
    const bool escaped = accept("\\");
    Item item = escaped ? escape() : range(0, 0);
    if (!escaped) item.low = item.high = take();
    if (item.kind == PointSet::kRange && at_ + 1 < pattern_.size() && pattern_[at_] == '-' &&
        pattern_[at_ + 1] != ']') {
      ++at_;
      const Item last = accept("\\") ? escape() : range(take(), 0);
      if (last.kind != PointSet::kRange || last.low < item.low) fail("a range from low to high");
      item.high = last.low;
    }
    set.items.push_back(item);
  }
  if (set.items.empty()) fail("a set of something");
}

/// What stands behind a backslash.
Item RegexParser::escape() {
  const size_t begin = at_;
  const char32_t c = take();
  const uint32_t digits = 1u << static_cast<unsigned>(unicode::Category::kNd);
  switch (c) {
    case 's':
    case 'S':
      return {PointSet::kSpace, c == 'S'};
    case 'd':
    case 'D':
      return {PointSet::kCategories, c == 'D', 0, 0, digits};
    case 'p':
    case 'P':
      return property(c == 'P');
    case 'n':
      return range('\n', '\n');
    case 'r':
      return range('\r', '\r');
    case 't':
      return range('\t', '\t');
    case 'f':
      return range('\f', '\f');
    case 'v':
      return range('\v', '\v');
    case 'u': {
      const char32_t code = hex(4, 4);
      return range(code, code);
    }
    case 'x': {
      const bool braces = accept("{");
      const char32_t code = braces ? hex(1, 6) : hex(2, 2);
      if (braces && !accept("}")) fail("}");
      if (!braces && code >= 0x80) fail("a code point in braces");
      return range(code, code);
    }
    default:
      break;
  }
  if (is_ascii_letter(c) || c >= 0x80 || (c >= '0' && c <= '9')) {
    at_ = begin;
    fail("an escape \\s \\S \\d \\D \\p \\P \\n \\r \\t \\f \\v \\u \\x or of punctuation");
  }
  return range(c, c);
}

char32_t RegexParser::hex(size_t least, size_t most) {
  char32_t code = 0;
  size_t digits = 0;
  for (; digits < most && more(); ++digits, ++at_) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const char c = pattern_[at_];
    const size_t digit = kDigits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c | 0x20) : c);
    if (digit == kDigits.npos) break;
    code = code * 16 + static_cast<char32_t>(digit);
  }
  if (digits < least || code == 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
    fail("the hexadecimal number of a code point");
  return code;
}

/// {L}, {Lu}, {^L}.
Item RegexParser::property(bool negated) {
  if (!accept("{")) fail("{");
  if (accept("^")) negated = !negated;
  const size_t end = pattern_.find('}', at_);
  const std::string_view name = pattern_.substr(at_, end == pattern_.npos ? 0 : end - at_);
  uint32_t categories = 0;
  for (size_t i = 0; i < std::size(unicode::kCategoryNames); ++i)
    if ((name.size() == 1 || name.size() == 2) && unicode::kCategoryNames[i].starts_with(name))
      categories |= 1u << i;
  if (categories == 0) fail("a general category");
  at_ = end + 1;
  return {PointSet::kCategories, negated, 0, 0, categories};
}

}  // namespace sterna::language
