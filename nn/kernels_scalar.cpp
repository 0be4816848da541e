#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels.h"

namespace sterna::nn::scalar {

/// 16 floats as a plain array: the reference for the vector bodies. On x86-64 std::fma is a library
/// call, so this body is exact but slow there.
struct Lanes {
  float f[16];

  static Lanes zero() { return {}; }
  static Lanes set(float x) {
    Lanes v;
    for (float& e : v.f) e = x;
    return v;
  }
  static Lanes load(const float* p) {
    Lanes v;
    std::memcpy(v.f, p, sizeof v.f);
    return v;
  }
  static Lanes load(const float* p, size_t n, float fill) {
    Lanes v = set(fill);
    std::memcpy(v.f, p, n * sizeof(float));
    return v;
  }
  void store(float* p) const { std::memcpy(p, f, sizeof f); }
  void store(float* p, size_t n) const { std::memcpy(p, f, n * sizeof(float)); }
};

template <class F>
inline Lanes map(Lanes a, Lanes b, F f) {
  Lanes r;
  for (int i = 0; i < 16; ++i) r.f[i] = f(a.f[i], b.f[i]);
  return r;
}
inline Lanes operator+(Lanes a, Lanes b) {
  return map(a, b, [](float x, float y) { return x + y; });
}
inline Lanes operator-(Lanes a, Lanes b) {
  return map(a, b, [](float x, float y) { return x - y; });
}
inline Lanes operator*(Lanes a, Lanes b) {
  return map(a, b, [](float x, float y) { return x * y; });
}
inline Lanes operator/(Lanes a, Lanes b) {
  return map(a, b, [](float x, float y) { return x / y; });
}
// The second operand wins against NaN, as in maxps / minps.
inline Lanes max(Lanes a, Lanes b) {
  return map(a, b, [](float x, float y) { return x > y ? x : y; });
}
inline Lanes min(Lanes a, Lanes b) {
  return map(a, b, [](float x, float y) { return x < y ? x : y; });
}
inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  Lanes r;
  for (int i = 0; i < 16; ++i) r.f[i] = std::fma(a.f[i], b.f[i], c.f[i]);
  return r;
}
inline Lanes round(Lanes a) {  // to nearest, ties to even: the default rounding mode
  return map(a, a, [](float x, float) { return std::nearbyint(x); });
}
inline Lanes abs(Lanes a) {
  return map(a, a, [](float x, float) { return std::fabs(x); });
}
inline Lanes with_sign(Lanes a, Lanes s) {
  return map(a, s, [](float x, float y) { return std::copysign(x, y); });
}
/// 2^n for whole n in [-126, 127].
inline Lanes pow2(Lanes n) {
  return map(n, n, [](float x, float) {
    const auto bits = static_cast<uint32_t>(static_cast<int32_t>(x) + 127) << 23;
    float r;
    std::memcpy(&r, &bits, sizeof r);
    return r;
  });
}
/// x < y ? a : b (b where unordered).
inline Lanes less(Lanes x, Lanes y, Lanes a, Lanes b) {
  Lanes r;
  for (int i = 0; i < 16; ++i) r.f[i] = x.f[i] < y.f[i] ? a.f[i] : b.f[i];
  return r;
}

#include "kernels.inl"

}  // namespace sterna::nn::scalar
