#pragma once

// Prepared inputs by weights. Included by kernels_amx.cpp alone, inside its target region.
//
// Two panels by two token tiles at a time, so that each tile that is loaded is multiplied twice; a
// chunk of k at a time, so that its weights stay in the first-level cache while all token tiles of
// a block pass by. i8 and bf16 are loaded as they lie, the ternary formats unfolded to bytes first.

namespace sterna::quant::amx {

inline constexpr size_t kStepUnits = kTileRows;  // lines of weights a step
inline constexpr size_t kBlockTiles = 16;        // token tiles that are multiplied with a chunk
inline constexpr size_t kNearBytes = size_t{1} << 20;  // of inputs while all weights pass by

// Sums of a block of token tiles and two panels: between chunks, and until Outputs has stored them,
// which is before the next are put there. `real` are sums over groups.
struct Sums {
  alignas(64) std::byte exact[kBlockTiles][2][kTileBytes];
  alignas(64) float real[kBlockTiles][2][kTileRows * kPanelRows];
};

// ---- Formats. Fewer than kLeastTokens are AVX-512's: a tile would be mostly idle. chunk() gives
// steps [step, step + `steps`) of R panels from `row0` on, and sets `steps` to how many those are.

template <class D, size_t unit_inputs>
struct AsItLies {
  using Dot = D;
  static constexpr size_t kLeastTokens = 6;
  static constexpr bool kAhead = true;
  // Of a chunk, 32 KiB of two panels, and the most of one: rather 48 KiB than sums put aside. A
  // last step that is not whole is a chunk of its own.
  static constexpr size_t kSteps = 16, kMostSteps = 24;
  struct Buffer {
    alignas(64) std::byte last[2][kTileBytes];
  };
  template <int R>
  static Operand chunk(const Call& c, size_t row0, size_t step, size_t& steps, Buffer& buffer) {
    const size_t units = (c.w.k + unit_inputs - 1) / unit_inputs, whole = units / kStepUnits;
    const std::byte* from = c.panel(row0) + step * kTileBytes;
    if (step < whole) {
      const size_t chunks = whole <= kMostSteps ? 1 : (whole + kSteps - 1) / kSteps;
      steps = std::min((whole + chunks - 1) / chunks, whole - step);
      return {from, c.panel_bytes, kTileBytes};
    }
    steps = 1;  // the last lines of a panel: what follows them may not be there
    for (size_t r = 0; r < R; ++r) {
      const size_t bytes = (units - whole * kStepUnits) * kRowBytes;
      std::memcpy(buffer.last[r], from + r * c.panel_bytes, bytes);
      std::memset(buffer.last[r] + bytes, 0, kTileBytes - bytes);
    }
    return {buffer.last[0], kTileBytes, kTileBytes};
  }
};

using I8 = AsItLies<Int8Dot, 4>;
using Bf16 = AsItLies<Bf16Dot, 2>;

// F is a format of avx512_int.h or avx512_sparse.h.
template <class F>
struct Unfolded {
  using Dot = Int8Dot;
  static constexpr size_t kLeastTokens = 7;
  static constexpr bool kAhead = false;  // unfold_units() looks ahead
  // Unfolding and multiplying overlap from chunk to chunk where chunks are short: 10 steps, whole
  // blocks of every format. Many token tiles rather have a k that is one chunk.
  static constexpr size_t kSteps = 10, kMostSteps = 16;
  static_assert(kSteps <= kMostSteps && kSteps * kStepUnits % F::kUnits == 0);
  struct Buffer {
    alignas(64) std::byte units[2][(kMostSteps * kStepUnits + F::kUnits) * kRowBytes];
  };

  template <int R>
  static Operand chunk(const Call& c, size_t row0, size_t step, size_t& steps, Buffer& buffer) {
    constexpr size_t kBytes = block_bytes(F::kType);
    const typename F::Tables tables;
    const bool one = c.s.tiles > 2 && c.s.steps <= kMostSteps;
    steps = one ? c.s.steps : std::min(kSteps, c.s.steps - step);
    const size_t first = step * kStepUnits / F::kUnits;
    const size_t wanted = (steps * kStepUnits + F::kUnits - 1) / F::kUnits;
    const size_t blocks = std::min(wanted, c.panel_bytes / kBytes - first);
    for (size_t r = 0; r < R; ++r) {
      const auto* p =
          reinterpret_cast<const uint8_t*>(c.panel(row0 + r * kPanelRows)) + first * kBytes;
      std::byte* out = buffer.units[r];
      for (size_t i = 0; i < blocks; ++i, p += kBytes, out += F::kUnits * kRowBytes)
        avx512::unfold_units<F>(tables, p, reinterpret_cast<uint8_t*>(out));
      for (size_t i = blocks; i < wanted; ++i, out += F::kUnits * kRowBytes)
        std::memset(out, 0, F::kUnits * kRowBytes);
    }
    return {buffer.units[0], sizeof buffer.units[0], kTileBytes};
  }
};

// ---- Loops: tokens that a level-2 cache holds, in them pairs of panels, in them blocks of token
// tiles, in them chunks of k.

// One pair of token tiles (or the last alone) by steps [step, step + steps) of R panels.
template <class F, int R>
void multiply_pair(const Call& c, size_t row0, size_t tile, size_t pair, size_t step, size_t steps,
                   const Operand& b, const Ahead& wanted, std::byte (*exact)[2][kTileBytes],
                   float (*real)[2][kTileRows * kPanelRows], Outputs<typename F::Dot>& outputs) {
  using D = typename F::Dot;
  const size_t together = c.w.group == 0 ? c.s.steps : c.w.group / kRowBytes;  // steps of a sum
  for (size_t at = step, count = 0; at < step + steps; at += count) {
    const size_t begun = at % together;
    count = std::min(together - begun, step + steps - at);
    const Operand a{c.scratch + c.s.inputs_at + tile * c.s.tile_bytes() + at * c.s.step_bytes(),
                    c.s.tile_bytes(), c.s.step_bytes()};
    const Operand weights{b.data + (at - step) * b.step, b.apart, b.step};
    const Ahead ahead{wanted.data + (at - step) * wanted.lines * kRowBytes, wanted.apart,
                      wanted.lines};
    if (pair == 2) {
      multiply<D, R, 2, F::kAhead>(a, weights, count, exact[0][0], begun != 0, ahead, outputs);
    } else {
      multiply<D, R, 1, F::kAhead>(a, weights, count, exact[0][0], begun != 0, ahead, outputs);
    }
    if (c.w.group == 0 || (begun + count != together && at + count != c.s.steps)) continue;
    for (size_t t = 0; t < pair; ++t)
      for (size_t r = 0; r < R; ++r)
        add_group(c, row0 + r * kPanelRows, tile + t, at / together, exact[t][r], real[t][r]);
  }
  if (step + steps != c.s.steps) return;
  outputs.take(row0, R, tile, pair,
               c.w.group == 0 ? exact[0][0] : reinterpret_cast<const std::byte*>(real[0][0]));
}

template <class F, int R>
void panels(const Call& c, size_t row0, size_t tile0, size_t tile1, typename F::Buffer& buffer,
            Sums& sums, Outputs<typename F::Dot>& outputs) {
  for (size_t step = 0, steps = 0; step < c.s.steps; step += steps) {
    const Operand b = F::template chunk<R>(c, row0, step, steps, buffer);
    // The next chunk, of these panels or of the next, each pair of token tiles asking for a part.
    Ahead ahead;
    if constexpr (F::kAhead) {
      const bool last = step + steps == c.s.steps;
      ahead = {last ? c.panel(row0 + R * kPanelRows) : b.data + steps * kTileBytes, c.panel_bytes,
               (2 * kStepUnits + tile1 - tile0 - 1) / (tile1 - tile0)};
    }
    for (size_t tile = tile0; tile < tile1; tile += 2) {
      const size_t at = steps == c.s.steps ? 0 : tile - tile0;  // one chunk goes on from nothing
      multiply_pair<F, R>(c, row0, tile, std::min<size_t>(2, tile1 - tile), step, steps, b, ahead,
                          sums.exact + at, sums.real + at, outputs);
      ahead.data += steps * ahead.lines * kRowBytes;
    }
  }
}

template <class F>
void run(const WeightView& w, const float* bias, const std::byte* scratch, size_t n, size_t m0,
         size_t m1, float* y, size_t ldy) noexcept {
  if (n == 0) return;
  const Tokens s(w, n);
  const Call c{{w, s, bias, scratch, n, m1, y, ldy, weight_bytes(w.type, kPanelRows, w.k)}};
  typename F::Buffer buffer;
  Sums sums;
  Outputs<typename F::Dot> outputs(c);
  configure(s.tile);
  const size_t near = std::max(size_t{1}, kNearBytes / s.tile_bytes() / 2) * 2;
  for (size_t first = 0; first < s.tiles; first += near) {
    const size_t last = std::min(first + near, s.tiles);
    for (size_t row = m0; row < m1; row += 2 * kPanelRows) {
      for (size_t tile = first; tile < last; tile += kBlockTiles) {
        const size_t end = std::min(tile + kBlockTiles, last);
        if (row + kPanelRows < m1) {
          panels<F, 2>(c, row, tile, end, buffer, sums, outputs);
        } else {
          panels<F, 1>(c, row, tile, end, buffer, sums, outputs);
        }
      }
    }
  }
  outputs.rest();
  release();
}

}  // namespace sterna::quant::amx
