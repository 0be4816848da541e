#pragma once

#include <sterna/quant/formats.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

// Prepared activations of the SIMD kernels for i8, t2 and t5.
//
// Tokens lie in tiles of `tile` (the last padded with zero tokens), inputs in units of 4, which is
// what one lane of a dot-product instruction multiplies. Three arrays, each 64-byte aligned:
//   scale float  [tiles][tile]           s_a of a token
//   base  int32  [tiles][groups][tile]   -offset * sum of q over the group: weights are stored as
//                                        unsigned codes (weight + offset), and starting a sum at
//                                        base takes the offset out again
//   q            [tiles][units][tile][4] int8 (or int16), zero beyond k
namespace sterna::quant {

constexpr int32_t code_offset(Type type) noexcept { return type == Type::i8 ? 128 : 1; }

struct IntScratch {
  size_t tile, tiles, units, groups;
  size_t element;  // bytes of one q
  size_t base_at, q_at, bytes;

  IntScratch(const WeightView& w, size_t n, size_t tokens_per_tile, size_t element_bytes) noexcept
      : tile(tokens_per_tile),
        tiles((n + tile - 1) / tile),
        units((w.k + block_inputs(w.type) - 1) / block_inputs(w.type) * block_inputs(w.type) / 4),
        groups(group_count(w.k, w.group)),
        element(element_bytes),
        base_at(aligned(tiles * tile * sizeof(float))),
        q_at(base_at + aligned(tiles * groups * tile * sizeof(int32_t))),
        bytes(q_at + aligned(tiles * units * tile * 4 * element)) {}

  /// Bytes of q of one tile.
  size_t tile_bytes() const noexcept { return units * tile * 4 * element; }

 private:
  static constexpr size_t aligned(size_t v) { return (v + 63) / 64 * 64; }
};

/// The tile of at most `most` tokens that covers n with the least padding (the largest of those),
/// not smaller than `least` once n is: decoding weights costs the same for any tile.
constexpr size_t best_tile(size_t n, size_t least, size_t most) noexcept {
  if (n <= most) return n == 0 ? 1 : n;
  size_t best = most, best_cost = (n + most - 1) / most * most;
  for (size_t t = most - 1; t >= least; --t) {
    const size_t cost = (n + t - 1) / t * t;
    if (cost < best_cost) {
      best = t;
      best_cost = cost;
    }
  }
  return best;
}

}  // namespace sterna::quant
