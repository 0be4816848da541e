#include "regex.h"

#include <sterna/quant/error.h>

#include <algorithm>

#include "regex_parser.h"
#include "unicode_classes.h"
#include "utf8.h"

namespace sterna::language {

bool PointSet::slow(char32_t c) const {
  const auto holds = [&](const Item& item) {
    switch (item.kind) {
      case kRange:
        return (c >= item.low && c <= item.high) != item.negated;
      case kSpace:
        return unicode::is(c, unicode::kSpaceOfRegex) != item.negated;
      case kCategories:
        break;
    }
    return ((item.categories >> unicode::class_of(c).category & 1) != 0) != item.negated;
  };
  return std::any_of(items.begin(), items.end(), holds) != negated;
}

void PointSet::finish() {
  ascii = {};
  for (char32_t c = 0; c < 0x80; ++c)
    if (slow(c)) ascii[c >> 6] |= uint64_t{1} << (c & 63);
}

Regex::Regex(std::string_view pattern) : pattern_(pattern) {
  RegexParser parser(pattern);
  start_ = parser.parse();
  nodes_ = std::move(parser.nodes);
  sets_ = std::move(parser.sets);
}

/// Backtracking, greedy first. Recursion is as deep as the expression has nodes.
size_t Regex::match(uint32_t number, std::string_view text, size_t at, Budget& budget) const {
  const Node& node = nodes_[number];
  const auto spend = [&](size_t steps) {
    if (budget.steps < steps)
      throw Error("tokenizer: expression: expected one that matches in a few steps, found " +
                  printable(pattern_));
    budget.steps -= steps;
  };
  spend(1);
  switch (node.kind) {
    case Node::kAccept:
      return at;
    case Node::kGroup:
      for (const uint32_t first : node.alternatives) {
        const size_t end = match(first, text, at, budget);
        if (end != npos) return end;
      }
      return node.min == 0 ? match(node.next, text, at, budget) : npos;
    case Node::kAhead:
    case Node::kNotAhead: {
      const auto holds = [&](uint32_t first) { return match(first, text, at, budget) != npos; };
      const bool any = std::any_of(node.alternatives.begin(), node.alternatives.end(), holds);
      return any == (node.kind == Node::kAhead) ? match(node.next, text, at, budget) : npos;
    }
    case Node::kSet:
      break;
  }
  const PointSet& set = sets_[node.set];
  const size_t begin = at;
  size_t least_end = at;
  uint32_t count = 0;
  for (const char* p = text.data() + at; count < node.max && at < text.size(); ++count) {
    if (!set.has(utf8::next(p))) break;
    at = static_cast<size_t>(p - text.data());
    if (count + 1 == node.min) least_end = at;
  }
  if (count < node.min) return npos;
  if (node.min == 0) least_end = begin;
  spend(count);
  if (nodes_[node.next].kind == Node::kAccept) return at;
  while (true) {
    const size_t end = match(node.next, text, at, budget);
    if (end != npos) return end;
    if (node.possessive || at == least_end) return npos;
    do --at;
    while ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  }
}

Regex::Match Regex::find(std::string_view text, size_t from, Budget& budget) const {
  while (from < text.size()) {
    const size_t end = match(start_, text, from, budget);
    if (end != npos && end != from) return {from, end};
    const char* p = text.data() + from;
    utf8::next(p);
    from = static_cast<size_t>(p - text.data());
  }
  return {npos, npos};
}

}  // namespace sterna::language
