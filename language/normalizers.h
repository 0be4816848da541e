#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "json_node.h"

namespace sterna::language {

/// A text on its way through the normalisers.
struct NormalText {
  std::string text;  // UTF-8
  /// Bytes at the front that come from the first character of what the caller gave: Metaspace's
  /// "first" asks whether a piece begins there. 0 also where nobody asks.
  size_t from_first = 0;
};

/// Follows from_first through a normaliser as `tokenizers` aligns texts
/// (NormalizedString::transform): characters of the new text come in order, each with its change: 1
/// a new one, which belongs to the one before; 0 in the place of one; -n in the place of 1 + n.
class FirstCharacter {
 public:
  explicit FirstCharacter(const NormalText& old) : old_(old) {}
  void emit(size_t size, int32_t change) {
    settle();
    size_ = size;
    change_ = change;
  }
  /// The last character stands for `n` more of the old text; there may be none yet.
  void remove(int32_t n) { change_ -= size_ > 0 ? n : 0; }
  size_t from_first() {
    settle();
    return from_first_;
  }

 private:
  void settle();

  const NormalText& old_;
  size_t offset_ = 0;  // bytes of the old text that are spoken for
  size_t size_ = 0;    // of the last character, still open to change
  int32_t change_ = 0;
  size_t bytes_ = 0, from_first_ = 0;
};

/// One of `tokenizers`' normalisers. Const, shared by threads.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(NormalText& text) const = 0;
};

using Normalizers = std::vector<std::unique_ptr<Normalizer>>;

/// A file's "normalizer" (null: none), sequences made flat. Throws sterna::Error that names the
/// node where its type or setting is not supported.
Normalizers read_normalizers(const JsonNode& node);

/// Calls write(c, out) for each character of `text`, and keeps from_first.
template <class Write>
void rewrite(NormalText& text, Write write);

}  // namespace sterna::language

#include "utf8.h"

namespace sterna::language {

template <class Write>
void rewrite(NormalText& text, Write write) {
  std::string out;
  out.reserve(text.text.size() + 16);
  size_t from_first = 0;
  const char* const begin = text.text.data();
  for (const char *p = begin, *end = begin + text.text.size(); p != end;) {
    const bool first = static_cast<size_t>(p - begin) < text.from_first;
    write(utf8::next(p), out);
    if (first) from_first = out.size();
  }
  text.text = std::move(out);
  text.from_first = from_first;
}

inline void append(std::string& out, char32_t c) {
  char bytes[4];
  out.append(bytes, utf8::encode(c, bytes));
}

}  // namespace sterna::language
