#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "token_model.h"

namespace sterna::language {

/// Ids of the tokens <0x00> .. <0xFF> of SentencePiece's byte fallback, where there are such.
inline std::array<std::optional<uint32_t>, 256> byte_tokens(const Vocabulary& vocabulary) {
  std::array<std::optional<uint32_t>, 256> ids;
  constexpr char kDigits[] = "0123456789ABCDEF";
  for (size_t b = 0; b < 256; ++b)
    ids[b] = vocabulary.find(std::string("<0x") + kDigits[b >> 4] + kDigits[b & 15] + '>');
  return ids;
}

}  // namespace sterna::language
