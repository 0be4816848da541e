#pragma once

#include <sterna/quant/formats.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

// Prepared activations of the SIMD kernels for integer weights.
//
// Tokens lie in tiles of `tile` (the last padded with zero tokens), inputs in units of 4, which is
// what one lane of a dot-product instruction multiplies. Each group of inputs (all of them where a
// row has one scale) takes whole blocks of weights: where a block of t5 holds the end of one group
// and the start of the next, both groups multiply it, each with zeros in the place of the other's
// inputs. Three arrays, each 64-byte aligned:
//   scale float  [tiles][tile]           s_a of a token
//   base  int32  [tiles][groups][tile]   -offset * sum of q over the group: weights are stored as
//                                        unsigned codes (weight + offset), and starting a sum at
//                                        base takes the offset out again
//   q            [tiles][units][tile][4] int8 (or int16), groups one after the other; zero beyond k
// In t34 and t14, unit f of the four of 16 inputs holds inputs f, 4+f, 8+f, 12+f (avx512_sparse.h).
// A kernel that multiplies two blocks at a time pads each group to a whole number of pairs, and
// orders its units as it likes (neon_prepare.h).
namespace sterna::quant {

constexpr int32_t code_offset(Type type) noexcept { return type == Type::i8 ? 128 : 1; }

/// What a group of inputs takes: blocks [block, block + blocks) of a panel. The first `lead` and
/// the last `tail` units of them belong to its neighbours.
struct GroupSpan {
  size_t block, blocks, lead, tail;
};

struct IntScratch {
  size_t tile, tiles, groups;
  size_t block_units;    // units of a block of weights
  size_t group_units;    // units of a group
  size_t row_units;      // units that hold inputs
  size_t units = 0;      // units of q
  size_t element_bytes;  // of one q
  size_t together;       // blocks that are multiplied at a time
  size_t base_at, q_at, bytes;

  IntScratch(const WeightView& w, size_t n, size_t tokens_per_tile, size_t bytes_of_q,
             size_t blocks_together = 1) noexcept
      : tile(tokens_per_tile),
        tiles((n + tile - 1) / tile),
        groups(group_count(w.k, w.group)),
        block_units(block_inputs(w.type) / 4),
        group_units(w.group / 4),
        row_units((w.k + 3) / 4),
        element_bytes(bytes_of_q),
        together(blocks_together) {
    for (size_t g = 0; g < groups; ++g) units += units_of(span(g));
    base_at = aligned(tiles * tile * sizeof(float));
    q_at = base_at + aligned(tiles * groups * tile * sizeof(int32_t));
    bytes = q_at + aligned(tiles * tile_bytes());
  }

  GroupSpan span(size_t g) const noexcept {
    const size_t first = g * group_units;
    const size_t last = group_units == 0 ? row_units : std::min(first + group_units, row_units);
    const size_t block = first / block_units;
    const size_t blocks = (last + block_units - 1) / block_units - block;
    return {block, blocks, first - block * block_units, (block + blocks) * block_units - last};
  }

  /// Units of q that a group takes.
  size_t units_of(const GroupSpan& group) const noexcept {
    return (group.blocks + together - 1) / together * together * block_units;
  }

  /// Bytes of q of one tile.
  size_t tile_bytes() const noexcept { return units * tile * 4 * element_bytes; }

 private:
  static constexpr size_t aligned(size_t v) { return (v + 63) / 64 * 64; }
};

/// What the tiles of one call of a linear map share; S says how its prepared inputs lie.
template <class S>
struct TileCall {
  const WeightView& w;
  const S& s;
  const float* bias;
  const std::byte* scratch;
  size_t n, m1;
  float* y;
  size_t ldy;
  size_t panel_bytes;
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
