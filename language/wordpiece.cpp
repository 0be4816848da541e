#include <sterna/language/wordpiece.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <array>
#include <bit>

#include "utf8.h"
#include "words.h"

namespace sterna::language {

namespace {

constexpr uint32_t kNone = UINT32_MAX;
constexpr uint32_t kStartSeed = 2166136261u, kContinuedSeed = 0x9E3779B9u;

/// FNV-1a: the hash of a prefix of a text is a step on the way to the hash of the text.
uint32_t step(uint32_t hash, char c) { return (hash ^ static_cast<unsigned char>(c)) * 16777619u; }

size_t slot(uint32_t hash, size_t slots) { return (hash ^ hash >> 15) & (slots - 1); }

bool is_boundary(std::string_view s, size_t i) {
  return i == s.size() || (static_cast<unsigned char>(s[i]) & 0xC0) != 0x80;
}

}  // namespace

WordPiece::WordPiece(std::vector<std::string> vocabulary, WordPieceOptions options)
    : vocabulary_(std::move(vocabulary)), options_(std::move(options)) {
  const size_t n = vocabulary_.size();
  if (n == 0 || n > kNone / 4)
    throw Error("tokenizer: expected a vocabulary, found " + std::to_string(n) + " tokens");
  for (const auto& [what, id] : {std::pair{"cls", options_.cls}, std::pair{"sep", options_.sep},
                                 std::pair{"unknown", options_.unknown}})
    if (id >= n)
      throw Error("tokenizer: " + std::string(what) + " token: expected an id below " +
                  std::to_string(n) + ", found " + std::to_string(id));
  constexpr size_t kMaxChars = 1000;
  if (options_.max_word_chars == 0 || options_.max_word_chars > kMaxChars)
    throw Error("tokenizer: longest word: expected 1 to " + std::to_string(kMaxChars) +
                " characters, found " + std::to_string(options_.max_word_chars));
  for (const auto& added : options_.added) {
    if (added.text.empty() || utf8::repair(added.text))
      throw Error("tokenizer: added token " + std::to_string(added.id) +
                  ": expected text in UTF-8, found none");
    if (added.id >= n)
      throw Error("tokenizer: added token: expected an id below " + std::to_string(n) + ", found " +
                  std::to_string(added.id));
    added_first_[static_cast<unsigned char>(added.text[0])] = true;
  }

  const size_t slots = std::bit_ceil(2 * n + 2);
  starts_.resize(slots);
  continued_.resize(slots);
  for (uint32_t id = 0; id < n; ++id) {
    const std::string& token = vocabulary_[id];
    if (token.empty())
      throw Error("tokenizer: token " + std::to_string(id) + ": expected text, found none");
    longest_ = std::max(longest_, token.size());
    insert(starts_, token, kStartSeed, id);
    if (token.size() > options_.continuation.size() && token.starts_with(options_.continuation))
      insert(continued_, std::string_view(token).substr(options_.continuation.size()),
             kContinuedSeed, id);
  }
}

WordPiece WordPiece::bert(std::vector<std::string> vocabulary, bool lowercase) {
  WordPieceOptions options;
  options.normalizer.lowercase = options.normalizer.strip_accents = lowercase;
  const auto find = [&](const char* text) {
    const auto at = std::find(vocabulary.begin(), vocabulary.end(), text);
    if (at == vocabulary.end()) return kNone;
    const auto id = static_cast<uint32_t>(at - vocabulary.begin());
    options.added.push_back({text, id});
    return id;
  };
  find("[PAD]");
  find("[MASK]");
  for (const auto& [text, id] : {std::pair{"[CLS]", &options.cls}, std::pair{"[SEP]", &options.sep},
                                 std::pair{"[UNK]", &options.unknown}})
    if ((*id = find(text)) == kNone)
      throw Error("tokenizer: expected a token " + std::string(text) + ", found none");
  return WordPiece(std::move(vocabulary), std::move(options));
}

void WordPiece::insert(std::vector<Slot>& table, std::string_view text, uint32_t seed,
                       uint32_t id) {
  uint32_t hash = seed;
  for (const char c : text) hash = step(hash, c);
  size_t at = slot(hash, table.size());
  for (; table[at].id != kNone; at = (at + 1) & (table.size() - 1))
    if (table[at].hash == hash && vocabulary_[table[at].id] == vocabulary_[id])
      throw Error("tokenizer: tokens " + std::to_string(table[at].id) + " and " +
                  std::to_string(id) + ": expected different texts, found the same");
  table[at] = {hash, id};
}

/// The token whose text after `skip` bytes is `text`.
uint32_t WordPiece::find(const std::vector<Slot>& table, uint32_t hash, std::string_view text,
                         size_t skip) const {
  for (size_t at = slot(hash, table.size()); table[at].id != kNone;
       at = (at + 1) & (table.size() - 1))
    if (table[at].hash == hash && std::string_view(vocabulary_[table[at].id]).substr(skip) == text)
      return table[at].id;
  return kNone;
}

/// Greedy longest match first; `unknown` for the whole word if some part of it has no token.
/// False once ids has reached `limit`.
bool WordPiece::split_word(std::string_view word, size_t limit, std::vector<uint32_t>& ids) const {
  const size_t before = ids.size();
  std::array<uint32_t, Words<bool (*)(std::string_view, size_t)>::kMaxChars * 4> hashes;
  for (size_t begin = 0; begin < word.size();) {
    const auto& table = begin == 0 ? starts_ : continued_;
    const size_t skip = begin == 0 ? 0 : options_.continuation.size();
    const size_t longest = std::min(word.size() - begin, longest_);
    uint32_t hash = begin == 0 ? kStartSeed : kContinuedSeed;
    for (size_t i = 0; i < longest; ++i) hashes[i] = hash = step(hash, word[begin + i]);
    uint32_t id = kNone;
    size_t size = longest;
    for (; size > 0; --size) {
      if (!is_boundary(word, begin + size)) continue;
      id = find(table, hashes[size - 1], word.substr(begin, size), skip);
      if (id != kNone) break;
    }
    if (id == kNone) {
      ids.resize(before);
      ids.push_back(options_.unknown);
      break;
    }
    ids.push_back(id);
    begin += size;
  }
  if (ids.size() < limit) return true;
  ids.resize(limit);
  return false;
}

void WordPiece::encode_plain(std::string_view text, size_t limit,
                             std::vector<uint32_t>& ids) const {
  const auto sink = [&](std::string_view word, size_t chars) {
    if (chars <= options_.max_word_chars) return split_word(word, limit, ids);
    ids.push_back(options_.unknown);
    return ids.size() < limit;
  };
  Words words(options_.normalizer, options_.max_word_chars, sink);
  words.run(text);
}

void WordPiece::encode_word(std::string_view word, std::vector<uint32_t>& ids) const {
  const auto chars = static_cast<size_t>(std::count_if(word.begin(), word.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
  if (chars > options_.max_word_chars) return ids.push_back(options_.unknown);
  split_word(word, SIZE_MAX, ids);
}

void WordPiece::encode(std::string_view text, size_t max_tokens, std::vector<uint32_t>& ids) const {
  if (max_tokens == 1) throw Error("tokenizer: token limit: expected at least 2, found 1");
  const size_t limit = max_tokens == 0 ? SIZE_MAX : max_tokens - 1;  // with [CLS], without [SEP]
  const auto repaired = utf8::repair(text);
  if (repaired) text = *repaired;
  ids.clear();
  ids.push_back(options_.cls);
  size_t plain = 0;  // where the text not yet encoded begins
  for (size_t i = 0; i < text.size() && ids.size() < limit;) {
    const WordPieceOptions::Added* best = nullptr;
    if (!added_first_[static_cast<unsigned char>(text[i])]) {
      ++i;
      continue;
    }
    for (const auto& added : options_.added)
      if (text.substr(i).starts_with(added.text) &&
          (!best || added.text.size() > best->text.size()))
        best = &added;
    if (!best) {
      ++i;
      continue;
    }
    encode_plain(text.substr(plain, i - plain), limit, ids);
    if (ids.size() < limit) ids.push_back(best->id);
    plain = i += best->text.size();
  }
  if (ids.size() < limit) encode_plain(text.substr(plain), limit, ids);
  ids.push_back(options_.sep);
}

}  // namespace sterna::language
