#include <doctest/doctest.h>
#include <sterna/quant/linear.h>

#include <initializer_list>

#include "quant/kernels.h"
#include "reference.h"
#include "support.h"

using namespace sterna::quant;
using namespace sterna::quant::test;

namespace {

// Kernels of an instruction set for another CPU that has it: with fewer extensions, or of another
// maker.
struct Other {
  const char* cpu;
  const LinearKernels* (*kernels)(Type type);
};
#if defined(__x86_64__)
constexpr Isa kOtherIsa = Isa::avx512;
constexpr Other kOthers[] = {
    {"AVX-512 without VBMI (Cascade Lake) and without BF16",
     [](Type type) { return avx512_kernels(type, {.avx2 = true, .avx512 = true}); }},
    {"AVX-512 of another maker", [](Type type) {
       CpuFeatures features = cpu_features();
       features.amd = !features.amd;
       return avx512_kernels(type, features);
     }}};
#elif defined(__aarch64__)
constexpr Isa kOtherIsa = Isa::neon;
constexpr Other kOthers[] = {
    {"NEON alone", [](Type type) { return neon_kernels(type, {.neon = true}); }},
    {"NEON with SDOT", [](Type type) {
       return cpu_features().dotprod ? neon_kernels(type, {.neon = true, .dotprod = true})
                                     : nullptr;
     }}};
#else
constexpr Isa kOtherIsa = Isa::scalar;
constexpr Other kOthers[] = {{"none", [](Type) -> const LinearKernels* { return nullptr; }}};
#endif

std::vector<float> apply_table(const LinearKernels& kernels, const WeightView& w,
                               const std::vector<float>& x, size_t n) {
  Scratch scratch(kernels.scratch_bytes(w, n));
  kernels.prepare(w, x.data(), w.k, n, 0, n, scratch.data());
  std::vector<float> y(n * w.m, -777.0f);
  kernels.run(w, nullptr, scratch.data(), n, 0, w.m, y.data(), w.m);
  return y;
}

void check_other(const Other& other, Type type, const Weights& w, const std::vector<float>& x,
                 size_t n) {
  const LinearKernels* const kernels = other.kernels(type);
  if (kernels == nullptr) return;
  CAPTURE(other.cpu);
  CAPTURE(name(type));
  CAPTURE(w.view.m);
  CAPTURE(w.view.k);
  CAPTURE(w.view.group);
  CAPTURE(n);
  const auto y = apply_table(*kernels, w.view, x, n);
  if (is_integer(type))
    REQUIRE(same_bits(y, apply(Linear(w.view, {}, Isa::scalar), x, n)));
  else
    check_against_double(w, x, n, {}, y);
}

}  // namespace
TEST_CASE("kernels for CPUs with fewer extensions, or of another maker") {
  if (!has_isa(kOtherIsa)) return;
  for (const Other& other : kOthers) {
    unsigned seed = 500;
    for (const Shape& shape : kShapes) {
      const size_t m = shape.m, k = shape.k, n = shape.n;
      const auto x = normal(n * k, ++seed);
      const auto real = normal(m * k, seed + 1000);
      check_other(other, Type::bf16, Weights(Type::bf16, real, m, k), x, n);
      for (const Type type : kIntegers) {
        for (const size_t group : std::initializer_list<size_t>{0, 64, 128})
          check_other(other, type, Weights(type, real, m, k, group), x, n);
        Weights broken(type, real, m, k);  // bytes that no packer writes as well
        for (size_t i = 0; i < broken.packed.data.size(); ++i)
          broken.packed.data[i] = static_cast<std::byte>(i * 37 % 256);
        check_other(other, type, broken, x, n);
      }
    }
    for_largest_products([&](const Weights& w, const std::vector<float>& x, size_t n) {
      check_other(other, w.view.type, w, x, n);
    });
  }
}
