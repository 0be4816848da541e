#pragma once

#include <atomic>
#include <cstdint>

namespace sterna::models {

/// Another number, above 0, for every model that is opened: what it saw or read is told from what
/// others did.
inline uint64_t next_model_id() noexcept {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

}  // namespace sterna::models
