#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sterna::quant {

/// FNV-1a, 64 bits (Fowler, Noll, Vo): tells one file or tensor from another, not from one that was
/// made to look like it.
inline uint64_t fnv1a(std::span<const std::byte> bytes) noexcept {
  uint64_t hash = 0xcbf29ce484222325;
  for (const std::byte b : bytes) hash = (hash ^ std::to_integer<uint64_t>(b)) * 0x100000001b3;
  return hash;
}

}  // namespace sterna::quant
