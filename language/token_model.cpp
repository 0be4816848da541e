#include "token_model.h"

#include <sterna/quant/error.h>

namespace sterna::language {

uint32_t Unknown::get() const {
  if (!id) throw Error(error);
  return *id;
}

WordPieceModel::WordPieceModel(WordPiece pieces) : pieces_(std::move(pieces)) {
  for (uint32_t id = 0; id < pieces_.size(); ++id) vocabulary_.add(pieces_.token(id), id);
}

}  // namespace sterna::language
