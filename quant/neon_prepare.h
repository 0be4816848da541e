#pragma once

// Activations -> int8 tiles; rows of outputs. Included by kernels_neon*.cpp alone, inside their
// target regions.
//
// F is a format and M a multiplication (neon_int.h). Where M multiplies two blocks a, b at a time,
// the inputs of unit f of both lie side by side: q [tiles][pairs of blocks][units of a block][tile]
// [2][4], which is what one row of a matrix product wants. Of t34 and t14 it multiplies two steps,
// so that the 16 inputs of a step count as a block.

namespace sterna::quant::neon {
namespace {

// out[i] = v[i] (+ bias[i]) for the first `rows` of four rows.
inline void store_rows(float32x4_t v, const float* bias, size_t rows, float* out) {
  if (rows >= 4) return vst1q_f32(out, bias == nullptr ? v : vaddq_f32(v, vld1q_f32(bias)));
  float part[4];
  vst1q_f32(part, v);
  for (size_t i = 0; i < rows; ++i) out[i] = bias == nullptr ? part[i] : part[i] + bias[i];
}

inline uint32_t row_top(const float* x, size_t k) {
  const uint32x4_t magnitude = vdupq_n_u32(0x7fffffff);
  uint32x4_t top = vdupq_n_u32(0);
  size_t c = 0;
  for (; c + 4 <= k; c += 4)
    top = vmaxq_u32(top, vandq_u32(vreinterpretq_u32_f32(vld1q_f32(x + c)), magnitude));
  uint32_t most = vmaxvq_u32(top);
  for (; c < k; ++c) most = std::max(most, magnitude_bits(x[c]));
  return most;
}

// Four inputs to int32: round_half_even(x * to_int), clipped.
inline int32x4_t quantise(const float* x, float to_int) {
  const int32x4_t q = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x), to_int));
  return vmaxq_s32(vminq_s32(q, vdupq_n_s32(127)), vdupq_n_s32(-127));
}

// The first `count` of 16 inputs to int8, the others to zero.
inline int8x16_t quantise_units(const float* x, size_t count, float to_int) {
  float part[16] = {};
  if (count < 16) {
    std::memcpy(part, x, count * sizeof(float));
    x = part;
  }
  const int16x8_t low =
      vcombine_s16(vmovn_s32(quantise(x, to_int)), vmovn_s32(quantise(x + 4, to_int)));
  const int16x8_t high =
      vcombine_s16(vmovn_s32(quantise(x + 8, to_int)), vmovn_s32(quantise(x + 12, to_int)));
  return vcombine_s8(vmovn_s16(low), vmovn_s16(high));
}

// The unit u of a group and token whose q start at `out`.
template <class F, class M>
inline int8_t* unit_at(int8_t* out, size_t u, size_t tile) {
  constexpr size_t kUnits = is_sparse(F::kType) ? 4 : F::kUnits;
  const size_t block = u / kUnits, pair = block / M::kBlocks * kUnits + u % kUnits;
  return out + (pair * tile * M::kBlocks + block % M::kBlocks) * 4;
}

// `count` inputs of one token, which are one group and start at unit `lead` of the `units` that the
// group takes; returns the sum of q.
template <class F, class M>
int32_t quantise_group(const float* x, size_t count, float to_int, size_t lead, size_t units,
                       size_t tile, int8_t* out) {
  static constexpr uint8_t kPlaces[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
  int32_t sum = 0;
  size_t u = 0;
  for (; u < lead; ++u) std::memset(unit_at<F, M>(out, u, tile), 0, 4);
  for (size_t c = 0; c < count; c += 16) {
    int8x16_t q = quantise_units(x + c, std::min<size_t>(16, count - c), to_int);
    sum += vaddlvq_s8(q);
    if constexpr (is_sparse(F::kType)) q = vqtbl1q_s8(q, vld1q_u8(kPlaces));
    int8_t four[16];
    vst1q_s8(four, q);
    // Units beyond the group are zero, as they have to be, if there is room for them.
    for (size_t i = 0; i < 4 && u < units; ++i, ++u)
      std::memcpy(unit_at<F, M>(out, u, tile), four + 4 * i, 4);
  }
  for (; u < units; ++u) std::memset(unit_at<F, M>(out, u, tile), 0, 4);
  return sum;
}

// One token: q at out, base[group * tile].
template <class F, class M>
void quantise_token(const WeightView& w, const IntScratch& s, const float* x, float to_int,
                    int8_t* out, int32_t* base) {
  const size_t step = w.group == 0 ? w.k : w.group;
  for (size_t g = 0; g < s.groups; ++g) {
    const GroupSpan span = s.span(g);
    const size_t units = s.units_of(span);
    // A token that is zero, not finite, or not there has no inputs.
    const size_t count = to_int == 0 ? 0 : std::min(step, w.k - g * step);
    base[g * s.tile] = -F::kOffset * quantise_group<F, M>(x + g * step, count, to_int, span.lead,
                                                          units, s.tile, out);
    out += units * s.tile * 4;
  }
}

template <class F, class M>
inline IntScratch int_layout(const WeightView& w, size_t n) noexcept {
  return IntScratch(w, n, M::tile(n), 1, is_sparse(F::kType) ? 1 : M::kBlocks);
}

template <class F, class M>
size_t int_scratch(const WeightView& w, size_t n) noexcept {
  return int_layout<F, M>(w, n).bytes;
}

template <class F, class M>
void int_prepare(const WeightView& w, const float* x, size_t ldx, size_t n, size_t n0, size_t n1,
                 std::byte* scratch) noexcept {
  const IntScratch s = int_layout<F, M>(w, n);
  auto* scale = reinterpret_cast<float*>(scratch);
  auto* base = reinterpret_cast<int32_t*>(scratch + s.base_at);
  for (size_t i = n0 / s.tile; i * s.tile < n1; ++i) {
    auto* q = reinterpret_cast<int8_t*>(scratch + s.q_at + i * s.tile_bytes());
    for (size_t t = 0; t < s.tile; ++t) {
      const size_t token = i * s.tile + t;
      const float* row = x + std::min(token, n - 1) * ldx;
      const TokenScale ts = token < n ? token_scale(row_top(row, w.k)) : TokenScale{0, 0};
      scale[token] = ts.to_real;
      quantise_token<F, M>(w, s, row, ts.to_int, q + t * 4 * M::kBlocks,
                           base + i * s.groups * s.tile + t);
    }
  }
}

}  // namespace
}  // namespace sterna::quant::neon
