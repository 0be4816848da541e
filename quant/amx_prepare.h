#pragma once

// Activations -> tiles. Included by kernels_amx.cpp alone, inside its target region.

namespace sterna::quant::amx {

// As few tiles as can be, all about as full: a tile takes about as long whatever its rows.
inline size_t token_tile(size_t n) noexcept {
  const size_t tiles = std::max<size_t>(1, (n + kTileRows - 1) / kTileRows);
  return std::max<size_t>(1, (n + tiles - 1) / tiles);
}

/// Scratch: tokens in tiles of `tile` (the last padded with zero tokens), inputs in steps of 64
/// bytes, zero beyond k. Integer types: scale float [tokens], base int32 [groups][tokens], -offset
/// times the sum of q over a group (codes.h: weights are stored as weight + offset), then q; bf16:
/// inputs alone.
///   inputs  [tiles][steps][tile][64 bytes]
struct Tokens {
  size_t tile, tiles, steps, groups;
  size_t base_at = 0, inputs_at = 0, bytes;

  Tokens(const WeightView& w, size_t n) noexcept
      : tile(token_tile(n)),
        tiles((n + tile - 1) / tile),
        steps((w.k * (w.type == Type::bf16 ? 2 : 1) + kRowBytes - 1) / kRowBytes),
        groups(group_count(w.k, w.group)) {
    if (w.type != Type::bf16) {
      base_at = aligned(count() * sizeof(float));
      inputs_at = base_at + aligned(groups * count() * sizeof(int32_t));
    }
    bytes = inputs_at + tiles * tile_bytes();
  }

  size_t count() const noexcept { return tiles * tile; }
  size_t step_bytes() const noexcept { return tile * kRowBytes; }
  size_t tile_bytes() const noexcept { return steps * step_bytes(); }

 private:
  static constexpr size_t aligned(size_t v) { return (v + 63) / 64 * 64; }
};

inline size_t scratch_bytes(const WeightView& w, size_t n) noexcept { return Tokens(w, n).bytes; }

// Inputs [c, min(c + 64, k)) of x as int8, zeros beyond. Nothing has to be clipped (activations.h).
inline __m512i quantised_step(const float* x, size_t c, size_t k, __m512 scale) {
  __m512i q[4];
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) {
    const size_t at = c + 16 * i;
    const __m512 v = c + 64 <= k ? _mm512_loadu_ps(x + at)
                     : at < k    ? _mm512_maskz_loadu_ps(avx512::tail_mask(k - at), x + at)
                                 : _mm512_setzero_ps();
    q[i] = _mm512_cvtps_epi32(_mm512_mul_ps(v, scale));
  }
  // 128-bit lane l of the packed bytes holds inputs 4 l .. 4 l + 3 of each of the four.
  const __m512i packed =
      _mm512_packs_epi16(_mm512_packs_epi32(q[0], q[1]), _mm512_packs_epi32(q[2], q[3]));
  const __m512i in_order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(in_order, packed);
}

// One token's inputs as int8, a row of each step from out on; base[g * count] of each group.
template <bool kSparse>
inline void quantise(const WeightView& w, const Tokens& s, const float* x, float to_int,
                     std::byte* out, int32_t* base) {
  const __m512 scale = _mm512_set1_ps(to_int);
  const size_t group_steps = w.group == 0 ? s.steps : w.group / kRowBytes;
  const size_t step_bytes = s.step_bytes(), count = s.count();
  for (size_t step = 0; step < s.steps;) {
    __m512i sum = _mm512_setzero_si512();
    for (const size_t end = std::min(step + group_steps, s.steps); step < end; ++step) {
      __m512i bytes = quantised_step(x, step * kRowBytes, w.k, scale);
      sum = avx512::dot(sum, avx512::byte_set(1), bytes);
      if constexpr (kSparse) bytes = avx512::by_place(bytes);
      _mm512_store_si512(out, bytes);
      out += step_bytes;
    }
    *base = -code_offset(w.type) * _mm512_reduce_add_epi32(sum);
    base += count;
  }
}

// Zeros in the place of a token.
inline void clear(const Tokens& s, std::byte* out) {
  for (size_t i = 0; i < s.steps; ++i) std::memset(out + i * s.step_bytes(), 0, kRowBytes);
}

inline void int_prepare(const WeightView& w, const float* x, size_t ldx, size_t n, size_t n0,
                        size_t n1, std::byte* scratch) noexcept {
  const Tokens s(w, n);
  auto* scale = reinterpret_cast<float*>(scratch);
  auto* base = reinterpret_cast<int32_t*>(scratch + s.base_at);
  for (size_t i = n0 / s.tile; i * s.tile < n1; ++i) {
    for (size_t t = 0; t < s.tile; ++t) {
      const size_t token = i * s.tile + t;
      std::byte* out = scratch + s.inputs_at + i * s.tile_bytes() + t * kRowBytes;
      TokenScale ts{0, 0};
      if (token < n) ts = token_scale(avx512::row_top(x + token * ldx, w.k));
      scale[token] = ts.to_real;
      if (ts.to_int == 0) {
        clear(s, out);
        for (size_t g = 0; g < s.groups; ++g) base[g * s.count() + token] = 0;
      } else if (is_sparse(w.type)) {
        quantise<true>(w, s, x + token * ldx, ts.to_int, out, base + token);
      } else {
        quantise<false>(w, s, x + token * ldx, ts.to_int, out, base + token);
      }
    }
  }
}

// 32 floats -> bf16, round to nearest even; subnormals become zero, as which they would count.
inline __m512i to_bf16(__m512 low, __m512 high) {
  __m512i out;
  asm("vcvtne2ps2bf16 %1, %2, %0" : "=v"(out) : "v"(low), "v"(high));
  return out;
}

// Inputs [k0, k1) of x [n, k1 - k0].
inline void bf16_prepare_inputs(const WeightView& w, const float* x, size_t ldx, size_t n,
                                size_t n0, size_t n1, size_t k0, size_t k1,
                                std::byte* scratch) noexcept {
  constexpr size_t kInputs = kRowBytes / 2;
  static_assert(kInputs == Linear::kInputTile);
  const Tokens s(w, n);
  const size_t k = k1 - k0;
  for (size_t i = n0 / s.tile; i * s.tile < n1; ++i) {
    for (size_t t = 0; t < s.tile; ++t) {
      const size_t token = i * s.tile + t;
      std::byte* out = scratch + i * s.tile_bytes() + k0 / kInputs * s.step_bytes() + t * kRowBytes;
      const float* from = x + token * ldx;
      size_t c = 0;
      if (token >= n) {
        for (; c < k; c += kInputs, out += s.step_bytes()) std::memset(out, 0, kRowBytes);
        continue;
      }
      for (; c + kInputs <= k; c += kInputs, out += s.step_bytes())
        _mm512_store_si512(out, to_bf16(_mm512_loadu_ps(from + c), _mm512_loadu_ps(from + c + 16)));
      if (c == k) continue;
      const __m512 low = _mm512_maskz_loadu_ps(avx512::tail_mask(k - c), from + c);
      const size_t second = std::min(k, c + 16);
      const __m512 high = _mm512_maskz_loadu_ps(avx512::tail_mask(k - second), from + second);
      _mm512_store_si512(out, to_bf16(low, high));
    }
  }
}

inline void bf16_prepare(const WeightView& w, const float* x, size_t ldx, size_t n, size_t n0,
                         size_t n1, std::byte* scratch) noexcept {
  bf16_prepare_inputs(w, x, ldx, n, n0, n1, 0, w.k, scratch);
}

}  // namespace sterna::quant::amx
