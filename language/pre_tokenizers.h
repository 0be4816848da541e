#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "json_node.h"

namespace sterna::language {

/// A text cut into pieces, none of them empty. Pieces lie in order; text between them is dropped.
struct Pieces {
  struct Piece {
    size_t begin, end;
    bool from_first;  // begins with the first character of what the caller gave
  };
  std::string text;
  std::vector<Piece> pieces;

  std::string_view view(const Piece& piece) const {
    return std::string_view(text).substr(piece.begin, piece.end - piece.begin);
  }
};

/// One of `tokenizers`' pre-tokenizers: cuts pieces further, may write them anew. Const, shared by
/// threads.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void apply(Pieces& pieces) const = 0;
  /// Whether `apply` asks for from_first.
  virtual bool asks_for_first() const { return false; }
};

using PreTokenizers = std::vector<std::unique_ptr<PreTokenizer>>;

/// A file's "pre_tokenizer" (null: none), sequences made flat. Throws sterna::Error that names the
/// node where its type or setting is not supported.
PreTokenizers read_pre_tokenizers(const JsonNode& node);

/// What becomes of a delimiter: SplitDelimiterBehavior.
enum class Delimiter { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

/// A stretch of a piece, and whether it is a delimiter.
struct Stretch {
  size_t begin, end;
  bool match;
};

/// Turns stretches that cover a piece into the pieces to keep (their `match` means nothing).
void split(std::vector<Stretch>& stretches, Delimiter behaviour);

}  // namespace sterna::language
