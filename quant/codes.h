#pragma once

#include <sterna/quant/linear.h>

#include <array>
#include <cstddef>
#include <cstdint>

// The integer codes inside the bytes of i8, t2 and t5 (formats.h), one at a time: what the scalar
// kernels, the packers and the tables of the SIMD kernels are made from. t34, t14: sparse.h.
namespace sterna::quant {

inline constexpr std::array<int, 5> kPowersOf3 = {1, 3, 9, 27, 81};

/// The byte of four or five zero weights, and of padding.
constexpr uint8_t zero_byte(Type type) noexcept {
  switch (type) {
    case Type::i8:
      return 128;
    case Type::t2:
      return 0x55;
    case Type::t5:
      return 121;
    default:
      return 0;
  }
}

/// Code (weight + 1) in field 0 .. 4 of a t5 byte.
constexpr int t5_code(uint8_t byte, size_t field) noexcept {
  const int b = byte > 242 ? 242 : byte;
  return b / kPowersOf3[field] % 3;
}

/// The integer weight in field `field` of a byte.
constexpr int integer_weight(Type type, uint8_t byte, size_t field) noexcept {
  switch (type) {
    case Type::t2:
      return (byte >> 2 * field & 3) - 1;
    case Type::t5:
      return t5_code(byte, field) - 1;
    default:
      return byte - 128;
  }
}

}  // namespace sterna::quant
