#include "regex_parser.h"

#include <sterna/quant/error.h>

#include <algorithm>

#include "utf8.h"

namespace sterna::language {

namespace {

constexpr size_t kMaxPattern = 4096;
constexpr int kMaxDepth = 16;
constexpr uint32_t kForever = UINT32_MAX;
// What a code point beyond ASCII folds to as a whole: (?i:st) would match U+FB06.
constexpr std::string_view kFolded[] = {"ss", "st", "ff", "fi", "fl"};

}  // namespace

std::string printable(std::string_view text) {
  std::string out(text.substr(0, 60));
  for (char& c : out) c = c >= ' ' && c < 0x7F ? c : '?';
  return out;
}

void RegexParser::fail(const std::string& expected) const {
  const std::string found = more() ? printable(pattern_.substr(at_, 20)) : "the end";
  throw Error("expected " + expected + " at byte " + std::to_string(at_) + ", found " + found);
}

bool RegexParser::accept(std::string_view text) {
  if (!pattern_.substr(at_).starts_with(text)) return false;
  at_ += text.size();
  return true;
}

char32_t RegexParser::take() {
  if (!more()) fail("more of the expression");
  const char* p = pattern_.data() + at_;
  const char32_t c = utf8::next(p);
  at_ = static_cast<size_t>(p - pattern_.data());
  return c;
}

uint32_t RegexParser::add(Regex::Node node) {
  nodes.push_back(std::move(node));
  return static_cast<uint32_t>(nodes.size() - 1);
}

void RegexParser::close(const Part& part, uint32_t next) {
  for (const uint32_t node : part.open) nodes[node].next = next;
}

uint32_t RegexParser::parse() {
  if (pattern_.size() > kMaxPattern)
    throw Error("expected an expression of at most " + std::to_string(kMaxPattern) +
                " bytes, found " + std::to_string(pattern_.size()));
  add({});  // accepts
  Regex::Node whole;
  whole.kind = Regex::Node::kGroup;
  const Part part = alternatives(false, 0, whole.alternatives);
  if (more()) fail("the end or |");
  if (part.least == 0) {
    at_ = 0;
    fail("an expression that never matches the empty text");
  }
  close(part, 0);
  return add(std::move(whole));
}

RegexParser::Part RegexParser::alternatives(bool icase, int depth, std::vector<uint32_t>& firsts) {
  if (depth > kMaxDepth) fail("at most 16 groups in each other");
  Part all{0, {}, SIZE_MAX};
  do {
    const Part one = sequence(icase, depth);
    firsts.push_back(one.first);
    all.open.insert(all.open.end(), one.open.begin(), one.open.end());
    all.least = std::min(all.least, one.least);
  } while (accept("|"));
  return all;
}

RegexParser::Part RegexParser::sequence(bool icase, int depth) {
  const size_t begin = at_;
  Part all{0, {}, 0};
  bool empty = true;
  while (more() && pattern_[at_] != '|' && pattern_[at_] != ')') {
    Part one = pattern_[at_] == '(' ? group(icase, depth) : single(icase);
    if (empty) all.first = one.first;
    empty = false;
    close(all, one.first);
    all.open = std::move(one.open);
    all.least += one.least;
  }
  if (empty) {  // a group of nothing that may be left out
    Regex::Node nothing;
    nothing.kind = Regex::Node::kGroup;
    nothing.min = 0;
    all.first = add(std::move(nothing));
    all.open = {all.first};
  }
  if (icase) {
    std::string lower(pattern_.substr(begin, at_ - begin));
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    for (const std::string_view folded : kFolded)
      if (lower.find(folded) != std::string::npos) fail("no " + std::string(folded) + " in (?i:");
  }
  return all;
}

RegexParser::Part RegexParser::group(bool icase, int depth) {
  Regex::Node node;
  node.kind = Regex::Node::kGroup;
  if (accept("(?:")) {
  } else if (accept("(?i:")) {
    icase = true;
  } else if (accept("(?=")) {
    node.kind = Regex::Node::kAhead;
  } else if (accept("(?!")) {
    node.kind = Regex::Node::kNotAhead;
  } else if (!accept("(") || (more() && pattern_[at_] == '?')) {
    fail("(, (?:, (?i:, (?= or (?!");
  }
  Part inside = alternatives(icase, depth + 1, node.alternatives);
  if (!accept(")")) fail(")");
  const bool look = node.kind != Regex::Node::kGroup;
  if (!look && accept("?")) {
    node.min = 0;
    inside.least = 0;
  }
  if (more() && std::string_view("?*+{").find(pattern_[at_]) != std::string_view::npos)
    fail("no repeated group");
  if (look) {
    close(inside, 0);
    inside.open.clear();
    inside.least = 0;
  }
  inside.first = add(std::move(node));
  inside.open.push_back(inside.first);
  return inside;
}

RegexParser::Part RegexParser::single(bool icase) {
  Regex::Node node;
  node.kind = Regex::Node::kSet;
  node.set = static_cast<uint32_t>(sets.size());
  PointSet set = atom(icase);
  set.finish();
  sets.push_back(std::move(set));
  size_t least = 1;
  quantifier(node, least);
  const uint32_t first = add(std::move(node));
  return {first, {first}, least};
}

void RegexParser::quantifier(Regex::Node& node, size_t& least) {
  bool counted = false;
  if (accept("?")) {
    node.min = 0;
  } else if (accept("*")) {
    node.min = 0;
    node.max = kForever;
  } else if (accept("+")) {
    node.max = kForever;
  } else if (accept("{")) {
    counted = true;
    node.min = number();
    node.max = node.min;
    if (accept(",")) node.max = more() && pattern_[at_] == '}' ? kForever : number();
    if (!accept("}") || node.max < node.min || node.max == 0) fail("{n}, {n,} or {n,m}");
  } else {
    return;
  }
  node.possessive = !counted && accept("+");
  if (more() && std::string_view("?*+{").find(pattern_[at_]) != std::string_view::npos)
    fail("one quantifier");
  least = node.min;
}

uint32_t RegexParser::number() {
  uint32_t n = 0;
  const size_t begin = at_;
  while (more() && pattern_[at_] >= '0' && pattern_[at_] <= '9' && n < 10000)
    n = n * 10 + static_cast<uint32_t>(pattern_[at_++] - '0');
  if (at_ == begin || n >= 10000) fail("a number below 10000");
  return n;
}

}  // namespace sterna::language
