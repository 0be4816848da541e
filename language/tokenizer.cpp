#include <sterna/language/tokenizer.h>
#include <sterna/quant/error.h>

#include <algorithm>

#include "tokenizer_parts.h"
#include "utf8.h"

namespace sterna::language {

namespace {

constexpr size_t kMaxText = size_t{1} << 30;

/// One text on its way through the parts.
class Run {
 public:
  Run(const Tokenizer::Parts& parts, size_t limit, std::vector<uint32_t>& ids)
      : parts_(parts), limit_(limit), ids_(ids) {}

  void text(std::string_view text) {
    for (const auto& part : parts_.added.find(text)) {
      if (full()) return;
      if (part.id) {
        ids_.push_back(*part.id);
        continue;
      }
      const std::string_view plain = text.substr(part.begin, part.end - part.begin);
      if (parts_.bert != nullptr) {
        parts_.bert->encode_plain(plain, limit_, ids_);
      } else {
        normalize(plain, part.begin == 0);
      }
    }
  }

 private:
  bool full() const { return ids_.size() >= limit_; }

  void normalize(std::string_view plain, bool first) {
    NormalText normal{std::string(plain), 0};
    if (first && parts_.asks_for_first) {
      const char* p = plain.data();
      utf8::next(p);
      normal.from_first = static_cast<size_t>(p - plain.data());
    }
    for (const auto& normalizer : parts_.normalizers) normalizer->apply(normal);
    for (const auto& part : parts_.added_normalized.find(normal.text)) {
      if (full()) return;
      if (part.id) {
        ids_.push_back(*part.id);
      } else {
        words(normal.text.substr(part.begin, part.end - part.begin),
              part.begin < normal.from_first);
      }
    }
  }

  void words(std::string text, bool first) {
    Pieces pieces{std::move(text), {}};
    pieces.pieces.push_back({0, pieces.text.size(), first});
    for (const auto& pre_tokenizer : parts_.pre_tokenizers) pre_tokenizer->apply(pieces);
    for (const auto& piece : pieces.pieces) {
      if (full()) return;
      parts_.model->encode(pieces.view(piece), scratch_, ids_);
    }
  }

  const Tokenizer::Parts& parts_;
  const size_t limit_;
  std::vector<uint32_t>& ids_;
  TokenModel::Scratch scratch_;
};

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::vector<uint32_t> Tokenizer::encode(std::string_view text, bool special) const {
  std::vector<uint32_t> ids;
  encode(text, 0, ids, special);
  return ids;
}

void Tokenizer::encode(std::string_view text, size_t max_tokens, std::vector<uint32_t>& ids,
                       bool special) const {
  const size_t around = special ? parts_->before.size() + parts_->after.size() : 0;
  if (max_tokens != 0 && max_tokens < around)
    throw Error(parts_->file + ": token limit: expected at least " + std::to_string(around) +
                ", found " + std::to_string(max_tokens));
  if (text.size() >= kMaxText)
    throw Error(parts_->file + ": text: expected less than 1 GiB, found " +
                std::to_string(text.size()) + " bytes");
  const auto repaired = utf8::repair(text);
  if (repaired) text = *repaired;
  ids.clear();
  const size_t front = special ? parts_->before.size() : 0;
  if (special) ids = parts_->before;
  const bool left = max_tokens != 0 && parts_->truncation && parts_->truncation->left;
  const size_t room = max_tokens == 0 ? SIZE_MAX : max_tokens - around;
  const size_t limit = max_tokens == 0 || left ? SIZE_MAX : front + room;
  Run(*parts_, limit, ids).text(text);
  if (ids.size() > front && ids.size() - front > room) {
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(front);
    const auto extra = static_cast<std::ptrdiff_t>(ids.size() - front - room);
    left ? ids.erase(begin, begin + extra) : ids.erase(ids.end() - extra, ids.end());
  }
  if (special) ids.insert(ids.end(), parts_->after.begin(), parts_->after.end());
}

size_t Tokenizer::size() const { return parts_->size; }

std::optional<uint32_t> Tokenizer::id(std::string_view token) const {
  const auto added = parts_->added_ids.find(std::string(token));
  return added != parts_->added_ids.end() ? added->second : parts_->model->find(token);
}

const std::optional<Tokenizer::Truncation>& Tokenizer::truncation() const {
  return parts_->truncation;
}

const std::optional<Tokenizer::Padding>& Tokenizer::padding() const { return parts_->padding; }

}  // namespace sterna::language
