#include "bpe.h"

#include <sterna/quant/error.h>

#include <algorithm>
#include <bit>
#include <functional>

#include "byte_tokens.h"
#include "utf8.h"

namespace sterna::language {

namespace {

constexpr uint32_t kNone = UINT32_MAX;

}  // namespace

Bpe::Bpe(Vocabulary vocabulary, const std::vector<Merge>& merges, BpeOptions options)
    : vocabulary_(std::move(vocabulary)), options_(std::move(options)) {
  if (merges.size() >= size_t{1} << 31)
    throw Error("expected fewer than 2^31 merges, found " + std::to_string(merges.size()));
  merges_.resize(std::bit_ceil(2 * merges.size() + 2));
  for (uint32_t rank = 0; rank < merges.size(); ++rank) {
    const Merge& m = merges[rank];
    size_t at = slot(m.left, m.right);
    while (merges_[at].rank != kNone &&
           (merges_[at].left != m.left || merges_[at].right != m.right))
      at = (at + 1) & (merges_.size() - 1);
    merges_[at] = {m.left, m.right, rank, m.whole};
    wholes_.push_back(m.whole);
  }
  bytes_ = byte_tokens(vocabulary_);
}

size_t Bpe::slot(uint32_t left, uint32_t right) const {
  const uint64_t key = (uint64_t{left} << 32 | right) * 0x9E3779B97F4A7C15u;
  return static_cast<size_t>(key ^ key >> 32) & (merges_.size() - 1);
}

const Bpe::Slot* Bpe::find_merge(uint32_t left, uint32_t right) const {
  for (size_t at = slot(left, right); merges_[at].rank != kNone;
       at = (at + 1) & (merges_.size() - 1))
    if (merges_[at].left == left && merges_[at].right == right) return &merges_[at];
  return nullptr;
}

/// The word's characters as symbols.
void Bpe::split(std::string_view word, Scratch& scratch) const {
  auto& symbols = scratch.symbols;
  symbols.clear();
  const auto add = [&](uint32_t id) {
    const auto i = static_cast<uint32_t>(symbols.size());
    symbols.push_back({id, i == 0 ? kNone : i - 1, i + 1, true});
  };
  bool pending = false;  // an unknown token that more characters may join
  std::string& text = scratch.text;
  for (const char *p = word.data(), *end = p + word.size(); p != end;) {
    const char* const begin = p;
    utf8::next(p);
    std::string_view c(begin, static_cast<size_t>(p - begin));
    const bool first = begin == word.data(), last = p == end;
    if ((!first && !options_.continuation.empty()) || (last && !options_.word_end.empty())) {
      text.clear();
      if (!first) text += options_.continuation;
      text += c;
      if (last) text += options_.word_end;
      c = text;
    }
    if (const auto id = vocabulary_.find(c)) {
      if (pending) add(options_.unknown->get());
      pending = false;
      add(*id);
      continue;
    }
    const auto byte = [&](char b) { return bytes_[static_cast<unsigned char>(b)]; };
    if (options_.byte_fallback &&
        std::all_of(c.begin(), c.end(), [&](char b) { return byte(b).has_value(); })) {
      for (const char b : c) add(*byte(b));  // before a pending unknown token
      continue;
    }
    if (!options_.unknown) continue;
    if (pending && !options_.fuse_unknown) add(options_.unknown->get());
    options_.unknown->get();  // throws where the vocabulary has none
    pending = true;
  }
  if (pending) add(options_.unknown->get());
  if (!symbols.empty()) symbols.back().next = kNone;
}

void Bpe::merge(Scratch& scratch) const {
  auto& symbols = scratch.symbols;
  auto& queue =
      scratch.queue;  // rank << 32 | position: the lowest rank, then the leftmost, is first
  queue.clear();
  const auto entry = [&](uint32_t at) {
    const uint32_t next = symbols[at].next;
    const Slot* const m = next == kNone ? nullptr : find_merge(symbols[at].id, symbols[next].id);
    return m == nullptr ? UINT64_MAX : uint64_t{m->rank} << 32 | at;
  };
  for (uint32_t i = 0; i + 1 < symbols.size(); ++i)
    if (const uint64_t e = entry(i); e != UINT64_MAX) queue.push_back(e);
  std::make_heap(queue.begin(), queue.end(), std::greater<>());
  const auto push = [&](uint32_t at) {
    const uint64_t e = entry(at);
    if (e == UINT64_MAX) return;
    queue.push_back(e);
    std::push_heap(queue.begin(), queue.end(), std::greater<>());
  };
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), std::greater<>());
    const auto at = static_cast<uint32_t>(queue.back());
    const uint32_t whole = wholes_[queue.back() >> 32];
    queue.pop_back();
    auto& symbol = symbols[at];
    if (!symbol.alive || symbol.next == kNone) continue;
    auto& right = symbols[symbol.next];
    const Slot* const m = find_merge(symbol.id, right.id);
    if (m == nullptr || m->whole != whole) continue;  // expired
    symbol.id = whole;
    symbol.next = right.next;
    right.alive = false;
    if (right.next != kNone) symbols[right.next].previous = at;
    if (symbol.previous != kNone) push(symbol.previous);
    push(at);
  }
}

void Bpe::encode(std::string_view word, Scratch& scratch, std::vector<uint32_t>& ids) const {
  if (options_.ignore_merges)
    if (const auto id = vocabulary_.find(word)) return ids.push_back(*id);
  split(word, scratch);
  merge(scratch);
  for (const auto& symbol : scratch.symbols)
    if (symbol.alive) ids.push_back(symbol.id);
}

}  // namespace sterna::language
