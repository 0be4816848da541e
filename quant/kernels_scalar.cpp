#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "activations.h"
#include "codes.h"
#include "kernels.h"
#include "sparse.h"

// The reference the other kernels are tested against, and what runs where nothing better does.
// Plain loops; weights are decoded once a token tile into a small buffer on the stack, rows side by
// side, so that a compiler may vectorise over the 16 rows of a panel.
namespace sterna::quant {

namespace {

constexpr size_t kTokens = 8;    // tokens that share one decoding of the weights
constexpr size_t kChunk = 1280;  // inputs decoded at a time: whole blocks and groups of every kind
static_assert(kChunk % 2 == 0 && kChunk % 16 == 0 && kChunk % 20 == 0 && kChunk % 128 == 0 &&
              kChunk % 256 == 0);

size_t token_tile(size_t) noexcept { return kTokens; }

constexpr size_t round_up(size_t v, size_t to) { return (v + to - 1) / to * to; }

// ---- integer types. Scratch: s_a [n], then q [n, k] as int16, both row-major.

size_t int_q_offset(size_t n) { return round_up(n * sizeof(float), 64); }

size_t int_scratch_bytes(const WeightView& w, size_t n) noexcept {
  return int_q_offset(n) + n * w.k * sizeof(int16_t);
}

void int_prepare(const WeightView& w, const float* x, size_t ldx, size_t n, size_t n0, size_t n1,
                 std::byte* scratch) noexcept {
  auto* s_a = reinterpret_cast<float*>(scratch);
  auto* q = reinterpret_cast<int16_t*>(scratch + int_q_offset(n));
  for (size_t t = n0; t < n1; ++t) {
    const float* row = x + t * ldx;
    uint32_t top = 0;
    for (size_t c = 0; c < w.k; ++c) top = std::max(top, magnitude_bits(row[c]));
    const TokenScale scale = token_scale(top);
    s_a[t] = scale.to_real;
    for (size_t c = 0; c < w.k; ++c) {
      // 1.5 * 2^23 leaves no bits for a fraction: adding it rounds half to even.
      const float v = scale.to_int == 0 ? 0.0f : row[c] * scale.to_int;
      const float rounded = (v + 12582912.0f) - 12582912.0f;
      q[t * w.k + c] = static_cast<int16_t>(std::clamp(rounded, -127.0f, 127.0f));
    }
  }
}

// Weights [c0, c0 + count) of a panel as integers, out[c - c0][row].
template <Type type>
void decode(const uint8_t* panel, size_t c0, size_t count, int16_t (*out)[kPanelRows]) {
  constexpr size_t inputs = block_inputs(type);
  for (size_t c = c0; c < c0 + count; ++c) {
    const uint8_t* block = panel + c / inputs * block_bytes(type) + c % 4;
    for (size_t r = 0; r < kPanelRows; ++r)
      out[c - c0][r] = static_cast<int16_t>(
          is_sparse(type) ? sparse_panel_weight(type, panel, r, c)
                          : integer_weight(type, block[4 * r], c % inputs / 4));
  }
}

struct IntTile {
  int32_t acc[kTokens][kPanelRows] = {};
  float sum[kTokens][kPanelRows] = {};
};

// Closes group g: sum += acc * s_g. The first group starts the sum instead of adding to zero.
void close_group(const WeightView& w, size_t row0, size_t rows, size_t g, size_t tokens,
                 IntTile& tile) {
  const size_t groups = group_count(w.k, w.group);
  for (size_t r = 0; r < rows; ++r) {
    const float s = f16_to_f32(w.scale[(row0 + r) * groups + g]);
    for (size_t t = 0; t < tokens; ++t) {
      const float part = static_cast<float>(tile.acc[t][r]) * s;
      tile.sum[t][r] = g == 0 ? part : tile.sum[t][r] + part;
      tile.acc[t][r] = 0;
    }
  }
}

// One panel times up to kTokens tokens q [tokens, k].
template <Type type>
void int_tile(const WeightView& w, size_t row0, size_t rows, const int16_t* q, size_t tokens,
              IntTile& tile) {
  const auto* panel = reinterpret_cast<const uint8_t*>(w.data.data()) +
                      row0 / kPanelRows * weight_bytes(type, kPanelRows, w.k);
  const size_t step = w.group == 0 ? w.k : w.group;
  int16_t codes[kChunk][kPanelRows];
  for (size_t c0 = 0; c0 < w.k; c0 += kChunk) {
    const size_t c1 = std::min(c0 + kChunk, w.k);
    decode<type>(panel, c0, c1 - c0, codes);
    for (size_t g0 = c0; g0 < c1;) {
      const size_t g1 = std::min(c1, (g0 / step + 1) * step);
      for (size_t t = 0; t < tokens; ++t) {
        for (size_t c = g0; c < g1; ++c) {
          const int32_t a = q[t * w.k + c];
          for (size_t r = 0; r < kPanelRows; ++r) tile.acc[t][r] += a * codes[c - c0][r];
        }
      }
      if (g1 % step == 0 || g1 == w.k) close_group(w, row0, rows, g0 / step, tokens, tile);
      g0 = g1;
    }
  }
}

template <Type type>
void int_run(const WeightView& w, const float* bias, const std::byte* scratch, size_t n, size_t m0,
             size_t m1, float* y, size_t ldy) noexcept {
  const auto* s_a = reinterpret_cast<const float*>(scratch);
  const auto* q = reinterpret_cast<const int16_t*>(scratch + int_q_offset(n));
  for (size_t row0 = m0; row0 < m1; row0 += kPanelRows) {
    const size_t rows = std::min(kPanelRows, m1 - row0);
    for (size_t t0 = 0; t0 < n; t0 += kTokens) {
      const size_t tokens = std::min(kTokens, n - t0);
      IntTile tile;
      int_tile<type>(w, row0, rows, q + t0 * w.k, tokens, tile);
      for (size_t t = 0; t < tokens; ++t) {
        for (size_t r = 0; r < rows; ++r) {
          const float v = tile.sum[t][r] * s_a[t0 + t];
          y[(t0 + t) * ldy + row0 + r] = bias == nullptr ? v : v + bias[row0 + r];
        }
      }
    }
  }
}

// ---- float types. Scratch: x [n, k] row-major as float (rounded to bfloat16 for bf16).

size_t float_scratch_bytes(const WeightView& w, size_t n) noexcept {
  return n * w.k * sizeof(float);
}

template <Type type>
void float_prepare(const WeightView& w, const float* x, size_t ldx, size_t, size_t n0, size_t n1,
                   std::byte* scratch) noexcept {
  auto* out = reinterpret_cast<float*>(scratch);
  for (size_t t = n0; t < n1; ++t) {
    for (size_t c = 0; c < w.k; ++c) {
      const float v = x[t * ldx + c];
      out[t * w.k + c] = type == Type::bf16 ? bf16_to_f32(f32_to_bf16(v)) : v;
    }
  }
}

// Rows [row0, row0 + rows) of W, inputs [c0, c0 + count), as out[c - c0][row].
template <Type type>
void float_decode(const WeightView& w, size_t row0, size_t rows, size_t c0, size_t count,
                  float (*out)[kPanelRows]) {
  if constexpr (type == Type::f32) {
    const auto* data = reinterpret_cast<const float*>(w.data.data());
    for (size_t r = 0; r < rows; ++r)
      for (size_t c = 0; c < count; ++c) out[c][r] = data[(row0 + r) * w.k + c0 + c];
  } else {
    const std::byte* panel =
        w.data.data() + row0 / kPanelRows * weight_bytes(Type::bf16, kPanelRows, w.k);
    for (size_t c = c0; c < c0 + count; ++c) {
      uint16_t lane[2 * kPanelRows];
      std::memcpy(lane, panel + c / 2 * kLineBytes, kLineBytes);
      for (size_t r = 0; r < kPanelRows; ++r) out[c - c0][r] = bf16_to_f32(lane[2 * r + c % 2]);
    }
  }
}

template <Type type>
void float_run(const WeightView& w, const float* bias, const std::byte* scratch, size_t n,
               size_t m0, size_t m1, float* y, size_t ldy) noexcept {
  const auto* x = reinterpret_cast<const float*>(scratch);
  for (size_t row0 = m0; row0 < m1; row0 += kPanelRows) {
    const size_t rows = std::min(kPanelRows, m1 - row0);
    for (size_t t0 = 0; t0 < n; t0 += kTokens) {
      const size_t tokens = std::min(kTokens, n - t0);
      float acc[kTokens][kPanelRows] = {};
      float weights[kChunk][kPanelRows] = {};
      for (size_t c0 = 0; c0 < w.k; c0 += kChunk) {
        const size_t count = std::min(kChunk, w.k - c0);
        float_decode<type>(w, row0, rows, c0, count, weights);
        for (size_t t = 0; t < tokens; ++t) {
          const float* row = x + (t0 + t) * w.k + c0;
          for (size_t c = 0; c < count; ++c)
            for (size_t r = 0; r < kPanelRows; ++r) acc[t][r] += weights[c][r] * row[c];
        }
      }
      for (size_t t = 0; t < tokens; ++t)
        for (size_t r = 0; r < rows; ++r)
          y[(t0 + t) * ldy + row0 + r] = bias == nullptr ? acc[t][r] : acc[t][r] + bias[row0 + r];
    }
  }
}

constexpr LinearKernels kF32 = {token_tile, float_scratch_bytes, float_prepare<Type::f32>,
                                float_run<Type::f32>};
constexpr LinearKernels kBf16 = {token_tile, float_scratch_bytes, float_prepare<Type::bf16>,
                                 float_run<Type::bf16>};
constexpr LinearKernels kI8 = {token_tile, int_scratch_bytes, int_prepare, int_run<Type::i8>};
constexpr LinearKernels kT2 = {token_tile, int_scratch_bytes, int_prepare, int_run<Type::t2>};
constexpr LinearKernels kT5 = {token_tile, int_scratch_bytes, int_prepare, int_run<Type::t5>};
constexpr LinearKernels kT34 = {token_tile, int_scratch_bytes, int_prepare, int_run<Type::t34>};
constexpr LinearKernels kT14 = {token_tile, int_scratch_bytes, int_prepare, int_run<Type::t14>};

}  // namespace

const LinearKernels* scalar_kernels(Type type) noexcept {
  switch (type) {
    case Type::f32:
      return &kF32;
    case Type::bf16:
      return &kBf16;
    case Type::i8:
      return &kI8;
    case Type::t2:
      return &kT2;
    case Type::t5:
      return &kT5;
    case Type::t34:
      return &kT34;
    case Type::t14:
      return &kT14;
  }
  return nullptr;
}

}  // namespace sterna::quant
