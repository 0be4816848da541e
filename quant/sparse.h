#pragma once

#include <sterna/quant/formats.h>

#include <cstddef>
#include <cstdint>
#include <span>

// The states inside the blocks of t34 and t14 (formats.h), one at a time: what the scalar kernels,
// the packers and the tables of the SIMD kernels are made from.
namespace sterna::quant {

inline constexpr size_t kGroupInputs = 4;  // inputs that share a pattern
inline constexpr size_t kSteps = 8;        // index vectors a block unfolds to, 4 groups a lane each

constexpr int sparse_states(Type type) noexcept { return type == Type::t34 ? 32 : 8; }

/// Weight `i` (0 .. 3) of a group in `state`.
constexpr int sparse_weight(Type type, int state, size_t i) noexcept {
  const auto at = static_cast<size_t>(state & 3);
  if (type == Type::t14) return i != at ? 0 : (state & 4) != 0 ? -1 : 1;
  if (i == at) return 0;
  return (state >> (i < at ? 2 + i : 1 + i) & 1) != 0 ? -1 : 1;
}

/// The codes (weight + 1) of a group as a byte of four 2-bit fields, the first in the low bits.
constexpr uint8_t sparse_fields(Type type, int state) noexcept {
  int byte = 0;
  for (size_t i = 0; i < kGroupInputs; ++i) byte |= (sparse_weight(type, state, i) + 1) << 2 * i;
  return static_cast<uint8_t>(byte);
}

/// State of group g (0 .. 31) of the row whose lane is at `lane` in the first line of a block.
constexpr int sparse_state(Type type, const uint8_t* lane, size_t g) noexcept {
  const size_t step = g / 4;
  const auto line = [&](size_t l) { return static_cast<int>(lane[l * kLineBytes + g % 4]); };
  if (type == Type::t14) {
    if (step < 6) return line(step / 2) >> 3 * (step % 2) & 7;
    const int last = line(0) >> 6 | line(1) >> 6 << 2 | line(2) >> 6 << 4;
    return step == 6 ? last & 7 : last >> 3;
  }
  if (step < 5) return line(step) & 31;
  if (step == 5) return line(0) >> 5 | line(1) >> 6 << 3;
  if (step == 6) return line(2) >> 5 | line(3) >> 6 << 3;
  return line(4) >> 5 | (line(1) >> 5 & 1) << 3 | (line(3) >> 5 & 1) << 4;
}

/// Sets the state of a group in a block whose bits are zero there.
void set_sparse_state(Type type, int state, uint8_t* lane, size_t g) noexcept;

/// The weight of row `row` (0 .. 15) and input c in a panel.
constexpr int sparse_panel_weight(Type type, const uint8_t* panel, size_t row, size_t c) noexcept {
  const size_t inputs = block_inputs(type);
  const uint8_t* lane = panel + c / inputs * block_bytes(type) + 4 * row;
  return sparse_weight(type, sparse_state(type, lane, c % inputs / kGroupInputs), c % kGroupInputs);
}

/// Integers q of weights w that share the scale returned (fp16). `w` starts at a multiple of 4
/// inputs; the pattern of its last group may have fewer.
uint16_t quantise_sparse(Type type, std::span<const float> w, int8_t* q) noexcept;

/// The state of a group of `count` (1 .. 4) weights -1, 0, +1, or -1 if the pattern has none: the
/// weights beyond are whatever fits.
int sparse_state_of(Type type, const int8_t* q, size_t count) noexcept;

/// Writes integers q [k], all of them patterns, as row `row` of a panel of zero bytes.
void place_sparse_row(Type type, std::span<const int8_t> q, size_t row, uint8_t* panel) noexcept;

}  // namespace sterna::quant
