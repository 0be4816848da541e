#if defined(__aarch64__)
#include <arm_neon.h>

#include <cmath>

#include "row_kernels.h"

namespace sterna::nn {
namespace {

struct L {
  float32x4_t v[4];
  static L zero() noexcept { return set(0.0f); }
  static L set(float x) noexcept {
    const float32x4_t v = vdupq_n_f32(x);
    return {{v, v, v, v}};
  }
  static L set_half(uint16_t h) noexcept {
    const float32x4_t v = vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(h)));
    return {{v, v, v, v}};
  }
  static L load(const float* p) noexcept {
    return {{vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}};
  }
  static float32x4_t half(const uint16_t* p) noexcept {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
  }
  static L load(const uint16_t* p) noexcept {
    return {{half(p), half(p + 4), half(p + 8), half(p + 12)}};
  }
  static float32x4_t wide(const Bf16* p) noexcept {
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(&p->bits), 16));
  }
  static L load(const Bf16* p) noexcept {
    return {{wide(p), wide(p + 4), wide(p + 8), wide(p + 12)}};
  }
  static L load(const int8_t* p) noexcept { return widened(vld1q_s8(p)); }
  static L low_codes(const uint8_t* p) noexcept {
    return less_8(vandq_u8(vld1q_u8(p), vdupq_n_u8(15)));
  }
  static L high_codes(const uint8_t* p) noexcept { return less_8(vshrq_n_u8(vld1q_u8(p), 4)); }
  static L less_8(uint8x16_t codes) noexcept {
    return widened(vsubq_s8(vreinterpretq_s8_u8(codes), vdupq_n_s8(8)));
  }
  static L mul(L x, L y) noexcept {
    for (size_t i = 0; i < 4; ++i) x.v[i] = vmulq_f32(x.v[i], y.v[i]);
    return x;
  }
  static L widened(int8x16_t bytes) noexcept {
    const int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);
    return {{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), vcvtq_f32_s32(vmovl_high_s16(low)),
             vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))), vcvtq_f32_s32(vmovl_high_s16(high))}};
  }
  void store(float* p) const noexcept {
    for (size_t i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, v[i]);
  }
  static L fma(L x, L y, L z) noexcept {
    for (size_t i = 0; i < 4; ++i) z.v[i] = vfmaq_f32(z.v[i], x.v[i], y.v[i]);
    return z;
  }
};

#include "row_body.inc"

}  // namespace

const RowKernels& row_kernels_neon() noexcept { return kKernels; }

}  // namespace sterna::nn
#endif
