#include "unigram.h"

#include <sterna/quant/error.h>

#include <algorithm>
#include <limits>

#include "byte_tokens.h"
#include "utf8.h"

namespace sterna::language {

namespace {

constexpr double kUnknownPenalty = 10;  // below the lowest score of a token
constexpr uint32_t kNone = UINT32_MAX;

}  // namespace

Unigram::Unigram(std::vector<Token> tokens, Unknown unknown, bool byte_fallback)
    : unknown_(std::move(unknown)), byte_fallback_(byte_fallback) {
  if (tokens.size() >= size_t{1} << 31)
    throw Error("expected fewer than 2^31 tokens, found " + std::to_string(tokens.size()));
  double lowest = std::numeric_limits<double>::infinity();
  for (uint32_t id = 0; id < tokens.size(); ++id) {
    trie_.insert(tokens[id].text, id);
    scores_.push_back(tokens[id].score);
    lowest = std::min(lowest, tokens[id].score);
    vocabulary_.add(std::move(tokens[id].text), id);
  }
  unknown_score_ = lowest - kUnknownPenalty;
  bytes_ = byte_tokens(vocabulary_);
}

/// scratch.nodes[i]: the best token that ends before byte i, and where it begins.
void Unigram::best_path(std::string_view word, Scratch& scratch) const {
  auto& nodes = scratch.nodes;
  nodes.assign(word.size() + 1, {0, 0, kNone});
  const auto offer = [&](size_t begin, size_t end, uint32_t id, double score) {
    const double sum = score + nodes[begin].score;
    if (nodes[end].begin == kNone || sum > nodes[end].score)
      nodes[end] = {sum, id, static_cast<uint32_t>(begin)};
  };
  const char* const text = word.data();
  for (const char *p = text, *end = p + word.size(); p != end;) {
    const char* const here = p;
    utf8::next(p);
    const auto begin = static_cast<size_t>(here - text), next = static_cast<size_t>(p - text);
    bool single = false;  // the character is a token
    uint32_t node = Trie::kRoot;
    for (size_t i = begin; i < word.size(); ++i) {
      node = trie_.step(node, word[i]);
      if (node == Trie::kNone) break;
      const uint32_t id = trie_.value(node);
      if (id == Trie::kNone) continue;
      offer(begin, i + 1, id, scores_[id]);
      single = single || i + 1 == next;
    }
    if (single) continue;
    if (nodes[next].begin == kNone || unknown_score_ + nodes[begin].score > nodes[next].score)
      offer(begin, next, unknown_.get(), unknown_score_);
  }
}

void Unigram::put(std::string_view piece, std::vector<uint32_t>& ids) const {
  if (const auto id = vocabulary_.find(piece)) return ids.push_back(*id);
  const auto byte = [&](char b) { return bytes_[static_cast<unsigned char>(b)]; };
  if (byte_fallback_ &&
      std::all_of(piece.begin(), piece.end(), [&](char b) { return byte(b).has_value(); })) {
    for (const char b : piece) ids.push_back(*byte(b));
    return;
  }
  ids.push_back(unknown_.get());
}

void Unigram::encode(std::string_view word, Scratch& scratch, std::vector<uint32_t>& ids) const {
  best_path(word, scratch);
  auto& nodes = scratch.nodes;
  // The path backwards: each node on it is made to point at the end of its token instead.
  auto node = nodes[word.size()];
  for (auto end = static_cast<uint32_t>(word.size()); end > 0;) {
    const uint32_t begin = node.begin;
    const auto before = nodes[begin];
    nodes[begin] = {0, node.id, end};
    node = before;
    end = begin;
  }
  size_t fused = kNone;  // where a run of unknown tokens began
  for (size_t at = 0; at < word.size();) {
    const auto& token = nodes[at];
    if (unknown_.id && token.id == *unknown_.id) {
      if (fused == kNone) fused = at;
    } else {
      if (fused != kNone) put(word.substr(fused, at - fused), ids);
      fused = kNone;
      put(word.substr(at, token.begin - at), ids);
    }
    at = token.begin;
  }
  if (fused != kNone) put(word.substr(fused), ids);
}

}  // namespace sterna::language
