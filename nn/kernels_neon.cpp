#if defined(__aarch64__)
#include <arm_neon.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels.h"

namespace sterna::nn::neon {

/// 16 floats in four registers; operations as in kernels_scalar.cpp. NEON is part of every aarch64
/// CPU: no target region.
struct Lanes {
  float32x4_t a, b, c, d;

  static Lanes zero() { return set(0.0f); }
  static Lanes set(float x) {
    const float32x4_t v = vdupq_n_f32(x);
    return {v, v, v, v};
  }
  static Lanes load(const float* p) {
    return {vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)};
  }
  static Lanes load(const float* p, size_t n, float fill) {
    float t[16];
    for (float& e : t) e = fill;
    std::memcpy(t, p, n * sizeof(float));
    return load(t);
  }
  void store(float* p) const {
    vst1q_f32(p, a);
    vst1q_f32(p + 4, b);
    vst1q_f32(p + 8, c);
    vst1q_f32(p + 12, d);
  }
  void store(float* p, size_t n) const {
    float t[16];
    store(t);
    std::memcpy(p, t, n * sizeof(float));
  }
};

template <class F>
inline Lanes map(Lanes x, F f) {
  return {f(x.a), f(x.b), f(x.c), f(x.d)};
}
template <class F>
inline Lanes map(Lanes x, Lanes y, F f) {
  return {f(x.a, y.a), f(x.b, y.b), f(x.c, y.c), f(x.d, y.d)};
}
inline Lanes operator+(Lanes x, Lanes y) {
  return map(x, y, [](float32x4_t u, float32x4_t v) { return vaddq_f32(u, v); });
}
inline Lanes operator-(Lanes x, Lanes y) {
  return map(x, y, [](float32x4_t u, float32x4_t v) { return vsubq_f32(u, v); });
}
inline Lanes operator*(Lanes x, Lanes y) {
  return map(x, y, [](float32x4_t u, float32x4_t v) { return vmulq_f32(u, v); });
}
inline Lanes operator/(Lanes x, Lanes y) {
  return map(x, y, [](float32x4_t u, float32x4_t v) { return vdivq_f32(u, v); });
}
// A comparison and a choice: vmaxq_f32 makes NaN of NaN, where the second operand shall win.
inline Lanes max(Lanes x, Lanes y) {
  return map(x, y, [](float32x4_t u, float32x4_t v) { return vbslq_f32(vcgtq_f32(u, v), u, v); });
}
inline Lanes min(Lanes x, Lanes y) {
  return map(x, y, [](float32x4_t u, float32x4_t v) { return vbslq_f32(vcltq_f32(u, v), u, v); });
}
inline Lanes fma(Lanes x, Lanes y, Lanes z) {
  return {vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b), vfmaq_f32(z.c, x.c, y.c),
          vfmaq_f32(z.d, x.d, y.d)};
}
inline Lanes round(Lanes x) {
  return map(x, [](float32x4_t v) { return vrndnq_f32(v); });
}
inline Lanes abs(Lanes x) {
  return map(x, [](float32x4_t v) { return vabsq_f32(v); });
}
inline Lanes with_sign(Lanes x, Lanes s) {
  return map(x, s, [](float32x4_t u, float32x4_t v) {
    return vbslq_f32(vdupq_n_u32(0x80000000u), v, u);
  });
}
inline Lanes pow2(Lanes n) {
  return map(n, [](float32x4_t v) {
    const int32x4_t exponent = vaddq_s32(vcvtq_s32_f32(v), vdupq_n_s32(127));
    return vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23));
  });
}
inline Lanes less(Lanes x, Lanes y, Lanes a, Lanes b) {
  return {vbslq_f32(vcltq_f32(x.a, y.a), a.a, b.a), vbslq_f32(vcltq_f32(x.b, y.b), a.b, b.b),
          vbslq_f32(vcltq_f32(x.c, y.c), a.c, b.c), vbslq_f32(vcltq_f32(x.d, y.d), a.d, b.d)};
}

#include "kernels.inl"

}  // namespace sterna::nn::neon

#endif  // __aarch64__
