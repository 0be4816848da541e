#pragma once

#include "../module_abi.h"

namespace sterna::opencv {

/// Throws std::runtime_error with what was expected and found.
void decode_tiff(const uint8_t* bytes, size_t size, const SternaPictureSink& sink);

}  // namespace sterna::opencv
