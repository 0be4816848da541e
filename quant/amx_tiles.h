#pragma once

#include <cstddef>
#include <cstdint>

// The tile registers of AMX. Included by kernels_amx.cpp alone, inside its target region.
//
// A tile has up to 16 rows of 64 bytes. One instruction adds to sums [tokens][16 rows of W] the
// products of inputs [tokens][64 bytes] with weights [16 lines][16 rows of W][4 bytes], and a line
// of weights is what a panel consists of (formats.h): sixteen lines of i8 (64 inputs) or bf16 (32)
// are a tile as they lie. Written as assembly with a memory clobber: GCC 12's own functions let the
// compiler drop stores that only a tile load reads.
namespace sterna::quant::amx {

inline constexpr size_t kTileRows = 16, kTileBytes = 1024, kRowBytes = 64;

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

/// Tiles 0 .. 3: sums of token tile t and panel r at 2 t + r; 4, 5: inputs; 6, 7: weights. Sums and
/// inputs have a row a token. For this thread, until release(): the sums of an idle thread would
/// be saved at every switch.
inline void configure(size_t tokens) noexcept {
  TileConfig config;
  for (size_t i = 0; i < 8; ++i) {
    config.row_bytes[i] = kRowBytes;
    config.rows[i] = static_cast<uint8_t>(i < 6 ? tokens : kTileRows);
  }
  asm volatile("ldtilecfg %0" : : "m"(config));
}
inline void release() noexcept { asm volatile("tilerelease" : : : "memory"); }

template <int tile>
inline void load(const std::byte* p) noexcept {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(p), "r"(kRowBytes), "i"(tile) : "memory");
}
/// What will not be loaded again soon, past the first-level cache, where it would push out what is.
template <int tile>
inline void load_once(const std::byte* p) noexcept {
  asm volatile("tileloaddt1 (%0,%1,1), %%tmm%c2" : : "r"(p), "r"(kRowBytes), "i"(tile) : "memory");
}
template <int tile>
inline void store(std::byte* p) noexcept {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(p), "r"(kRowBytes), "i"(tile) : "memory");
}
template <int tile>
inline void clear() noexcept {
  asm volatile("tilezero %%tmm%c0" : : "i"(tile));
}

/// Signed bytes of inputs by unsigned codes of weights, into int32, modulo 2^32.
struct Int8Dot {
  static constexpr bool kScaled = true;
  template <int sum, int inputs, int weights>
  static void dot() noexcept {
    asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(sum), "i"(inputs), "i"(weights));
  }
};
/// Pairs of bf16, into float, pair after pair; subnormals count as zero.
struct Bf16Dot {
  static constexpr bool kScaled = false;
  template <int sum, int inputs, int weights>
  static void dot() noexcept {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(sum), "i"(inputs), "i"(weights));
  }
};

/// Where the tiles of T token tiles lie, and those of R panels: `apart` bytes from one token tile
/// (panel) to the next, `step` bytes from one step along k to the next.
struct Operand {
  const std::byte* data;
  size_t apart, step;
};

/// Weights that are wanted next, to be brought into the second-level cache: of each of R panels,
/// `apart` bytes from one to the next, `lines` cache lines a step. Need not be there.
struct Ahead {
  const std::byte* data = nullptr;
  size_t apart = 0, lines = 0;
};

/// Sums of T token tiles by R panels over `steps` steps, at sums [T][2][kTileBytes]; starts from
/// what is there if `go_on`. Looks ahead if L. `meanwhile` is work for the vector units, which
/// tiles leave idle: share(steps), then some() of it at each step, and rest() before the sums are
/// stored, because what it still reads may lie there.
template <class D, int R, int T, bool L, class Work>
inline void multiply(Operand a, Operand b, size_t steps, std::byte* sums, bool go_on, Ahead ahead,
                     Work& meanwhile) noexcept {
  if (go_on) {
    load<0>(sums);
    if constexpr (R > 1) load<1>(sums + kTileBytes);
    if constexpr (T > 1) load<2>(sums + 2 * kTileBytes);
    if constexpr (R > 1 && T > 1) load<3>(sums + 3 * kTileBytes);
  } else {
    clear<0>();
    if constexpr (R > 1) clear<1>();
    if constexpr (T > 1) clear<2>();
    if constexpr (R > 1 && T > 1) clear<3>();
  }
  meanwhile.share(steps);
  for (; steps != 0; --steps, a.data += a.step, b.data += b.step) {
    load<6>(b.data);
    load_once<4>(a.data);
    D::template dot<0, 4, 6>();
    if constexpr (T > 1) {
      load_once<5>(a.data + a.apart);
      D::template dot<2, 5, 6>();
    }
    if constexpr (L) {
      for (size_t i = 0; i < ahead.lines; ++i, ahead.data += kRowBytes) {
        _mm_prefetch(reinterpret_cast<const char*>(ahead.data), _MM_HINT_T1);
        if constexpr (R > 1)
          _mm_prefetch(reinterpret_cast<const char*>(ahead.data + ahead.apart), _MM_HINT_T1);
      }
    }
    if constexpr (R > 1) {
      load<7>(b.data + b.apart);
      D::template dot<1, 4, 7>();
      if constexpr (T > 1) D::template dot<3, 5, 7>();
    }
    meanwhile.some();
  }
  meanwhile.rest();
  store<0>(sums);
  if constexpr (R > 1) store<1>(sums + kTileBytes);
  if constexpr (T > 1) store<2>(sums + 2 * kTileBytes);
  if constexpr (R > 1 && T > 1) store<3>(sums + 3 * kTileBytes);
}

}  // namespace sterna::quant::amx
