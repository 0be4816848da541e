#pragma once

#include <bit>
#include <cstdint>

// The rule by which a token (row of x) becomes int8, the same on every ISA.
//
// With top = max |x_c| compared as integers (the bits of non-negative floats order like the floats,
// NaN above infinity above all, so a bad number cannot slip past a comparison):
//   top not finite:     every q = 0, s_a = NaN: all outputs of the token are NaN
//   top < kTinyToken:   every q = 0, s_a = 0:   all outputs are the bias (127 / top would overflow)
//   else: q_c = clip(round_half_even(x_c * (127 / top)), -127, 127), s_a = top / 127
// With one rounding each in 127 / top and in the product, |x_c * (127 / top)| < 127.00002: the clip
// changes nothing, and a kernel may leave it out.
// (BitNet, arXiv 2310.11453, eq. 4-5, with the range of arXiv 2402.17764.)
namespace sterna::quant {

inline constexpr float kTinyToken = 0x1p-100f;

struct TokenScale {
  float to_int;   // 127 / top, or 0
  float to_real;  // s_a
};

inline TokenScale token_scale(uint32_t top_bits) noexcept {
  const float top = std::bit_cast<float>(top_bits);
  if (top_bits >= 0x7f800000u) return {0.0f, std::bit_cast<float>(0x7fc00000u)};
  if (top < kTinyToken) return {0.0f, 0.0f};
  return {127.0f / top, top / 127.0f};
}

inline uint32_t magnitude_bits(float v) noexcept {
  return std::bit_cast<uint32_t>(v) & 0x7fffffffu;
}

}  // namespace sterna::quant
