#include "added_tokens.h"

#include <sterna/quant/error.h>

#include <algorithm>

#include "unicode_classes.h"
#include "utf8.h"

namespace sterna::language {

namespace {

/// The character that ends before byte `end`, and where it begins; end > 0.
struct Last {
  char32_t code;
  size_t begin;
};

Last last(std::string_view text, size_t end) {
  size_t begin = end - 1;
  while ((static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  const char* p = text.data() + begin;
  return {utf8::next(p), begin};
}

bool is_word(char32_t c) { return unicode::is(c, unicode::kWord); }
bool is_space(char32_t c) { return unicode::is(c, unicode::kSpaceOfRegex); }

char32_t first(std::string_view text, size_t begin) {
  const char* p = text.data() + begin;
  return utf8::next(p);
}

}  // namespace

void AddedTokens::add(AddedToken token) {
  if (token.text.empty()) throw Error("expected text, found none");
  uint32_t node = Trie::kRoot;
  for (const char c : token.text)
    if (node != Trie::kNone) node = trie_.step(node, c);
  if (node != Trie::kNone && trie_.value(node) != Trie::kNone)
    throw Error("expected a text that no other added token has, found it twice");
  trie_.insert(token.text, static_cast<uint32_t>(tokens_.size()));
  first_[static_cast<unsigned char>(token.text[0])] = true;
  tokens_.push_back(std::move(token));
}

const AddedToken* AddedTokens::at(std::string_view text, size_t begin) const {
  if (!first_[static_cast<unsigned char>(text[begin])]) return nullptr;
  const AddedToken* longest = nullptr;
  uint32_t node = Trie::kRoot;
  for (size_t i = begin; i < text.size(); ++i) {
    node = trie_.step(node, text[i]);
    if (node == Trie::kNone) break;
    if (trie_.value(node) != Trie::kNone) longest = &tokens_[trie_.value(node)];
  }
  return longest;
}

std::vector<AddedTokens::Part> AddedTokens::find(std::string_view text) const {
  std::vector<Part> parts;
  size_t done = 0;  // goes back where a token's white space held another
  for (size_t i = 0; !tokens_.empty() && i < text.size();) {
    const AddedToken* const token = at(text, i);
    if (token == nullptr) {
      ++i;
      continue;
    }
    size_t begin = i, end = i + token->text.size();
    i = end;
    if (token->single_word && ((begin > 0 && is_word(last(text, begin).code)) ||
                               (end < text.size() && is_word(first(text, end)))))
      continue;
    if (token->lstrip) {
      while (begin > 0 && is_space(last(text, begin).code)) begin = last(text, begin).begin;
      begin = std::max(begin, done);
    }
    if (token->rstrip)
      while (end < text.size() && is_space(first(text, end))) {
        const char* p = text.data() + end;
        utf8::next(p);
        end = static_cast<size_t>(p - text.data());
      }
    if (begin >= end) continue;  // the white space of the one before holds all of it
    if (done < begin) parts.push_back({done, begin, {}});
    parts.push_back({begin, end, token->id});
    done = end;
  }
  if (done < text.size()) parts.push_back({done, text.size(), {}});
  return parts;
}

}  // namespace sterna::language
