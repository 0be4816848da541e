#pragma once

#include <doctest/doctest.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/linear.h>

#include <cstddef>
#include <cstring>
#include <new>
#include <random>
#include <string>
#include <vector>

namespace sterna::quant::test {

inline constexpr Type kIntegers[] = {Type::i8, Type::t2, Type::t5, Type::t34, Type::t14};
inline constexpr Type kAll[] = {Type::f32, Type::bf16, Type::i8, Type::t2,
                                Type::t5,  Type::t34,  Type::t14};

inline std::vector<float> normal(size_t n, unsigned seed, float sigma = 1.0f) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> d(0.0f, sigma);
  std::vector<float> v(n);
  for (auto& f : v) f = d(rng);
  return v;
}

inline std::vector<Isa> isas() {
  std::vector<Isa> v;
  for (Isa isa : kEveryIsa)
    if (has_isa(isa)) v.push_back(isa);
  return v;
}

/// What the Error that f throws says; nothing if it throws none.
std::string message(auto&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

/// Weights with the memory they view.
struct Weights {
  Packed packed;
  WeightView view;

  Weights(Type type, const std::vector<float>& w, size_t m, size_t k, size_t group = 0)
      : packed(pack(type, w, m, k, group)) {
    view = {type, m, k, packed.data, packed.scale, is_integer(type) ? group : 0};
  }
  Weights(const Weights&) = delete;
};

/// Scratch of exactly the promised size, 64-byte aligned, so that a sanitizer sees one byte more.
class Scratch {
 public:
  explicit Scratch(size_t n)
      : p_(static_cast<std::byte*>(::operator new[](n, std::align_val_t{64}))) {
    std::memset(p_, 0xA5, n);
  }
  ~Scratch() { ::operator delete[](p_, std::align_val_t{64}); }
  Scratch(const Scratch&) = delete;
  std::byte* data() { return p_; }

 private:
  std::byte* p_;
};

/// y [n, m] of a linear map over x [n, k].
inline std::vector<float> apply(const Linear& l, const std::vector<float>& x, size_t n) {
  Scratch scratch(l.scratch_bytes(n));
  l.prepare(x.data(), l.k(), n, scratch.data());
  std::vector<float> y(n * l.m(), -777.0f);
  l.run(scratch.data(), n, 0, l.m(), y.data(), l.m());
  return y;
}

/// Bit for bit, so that NaN equals NaN and 0 differs from -0.
inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// Every instruction set gives the bits that the scalar kernels give.
inline void check_every_isa(const WeightView& w, const std::vector<float>& x, size_t n,
                            const std::vector<float>& bias = {}) {
  const auto expected = apply(Linear(w, bias, Isa::scalar), x, n);
  for (const Isa isa : isas()) {
    if (isa == Isa::scalar) continue;
    CAPTURE(name(isa));
    CAPTURE(name(w.type));
    CAPTURE(w.m);
    CAPTURE(w.k);
    CAPTURE(w.group);
    CAPTURE(n);
    REQUIRE(same_bits(apply(Linear(w, bias, isa), x, n), expected));
  }
}

}  // namespace sterna::quant::test
