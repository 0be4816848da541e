#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "regex.h"

namespace sterna::language {

/// The beginning of `text` in ASCII, for a one-line message.
std::string printable(std::string_view text);

/// Reads an expression into nodes; see Regex for what it may hold.
class RegexParser {
 public:
  explicit RegexParser(std::string_view pattern) : pattern_(pattern) {}

  /// The first node of the whole; node 0 accepts.
  uint32_t parse();

  std::vector<PointSet> sets;
  std::vector<Regex::Node> nodes;

 private:
  /// Nodes read, to be tied to what follows them.
  struct Part {
    uint32_t first;
    std::vector<uint32_t> open;  // nodes without a next
    size_t least;                // code points that it matches
  };
  Part alternatives(bool icase, int depth, std::vector<uint32_t>& firsts);
  Part sequence(bool icase, int depth);
  Part group(bool icase, int depth);
  Part single(bool icase);
  void quantifier(Regex::Node& node, size_t& least);
  void close(const Part& part, uint32_t next);
  uint32_t add(Regex::Node node);

  PointSet atom(bool icase);
  void bracket(PointSet& set, bool icase);
  PointSet::Item escape();
  PointSet::Item property(bool negated);
  char32_t hex(size_t least, size_t most);
  uint32_t number();
  void add_literal(PointSet& set, char32_t c, bool icase) const;

  bool more() const { return at_ < pattern_.size(); }
  bool accept(std::string_view text);
  char32_t take();
  [[noreturn]] void fail(const std::string& expected) const;

  std::string_view pattern_;
  size_t at_ = 0;
};

}  // namespace sterna::language
