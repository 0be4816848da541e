#include <doctest/doctest.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>
#include <sterna/quant/linear.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>

#include "quant/kernels.h"
#include "support.h"

using namespace sterna::quant;
using namespace sterna::quant::test;

namespace {

using MatrixF = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixD = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

MatrixD real_weights(const WeightView& w) {
  std::vector<float> real(w.m * w.k);
  dequantise(w, real);
  return Eigen::Map<const MatrixF>(real.data(), static_cast<Eigen::Index>(w.m),
                                   static_cast<Eigen::Index>(w.k))
      .cast<double>();
}

// x as the kernels see it: itself, rounded to bfloat16, or quantised a token.
MatrixD seen_inputs(Type type, const std::vector<float>& x, size_t n, size_t k) {
  std::vector<float> seen(x);
  for (size_t t = 0; t < n; ++t) {
    float top = 0;
    for (size_t c = 0; c < k; ++c) top = std::max(top, std::fabs(x[t * k + c]));
    for (size_t c = 0; c < k; ++c) {
      float& v = seen[t * k + c];
      if (type == Type::bf16) v = bf16_to_f32(f32_to_bf16(v));
      if (is_integer(type))
        v = top == 0 ? 0.0f : std::nearbyint(v * (127.0f / top)) * (top / 127.0f);
    }
  }
  return Eigen::Map<const MatrixF>(seen.data(), static_cast<Eigen::Index>(n),
                                   static_cast<Eigen::Index>(k))
      .cast<double>();
}

// |y - reference| <= bound, element by element. A float sum of k products in any order, fused or
// not, errs at most (k + 2) * eps * sum |w||x| (Higham, Accuracy and Stability, section 3.1); the
// integer sums are exact, so only the few roundings of the epilogue remain.
void check_against_double(const Weights& w, const std::vector<float>& x, size_t n,
                          const std::vector<float>& bias, const std::vector<float>& y) {
  const size_t k = w.view.k, m = w.view.m;
  const MatrixD weights = real_weights(w.view);
  const MatrixD inputs = seen_inputs(w.view.type, x, n, k);
  const MatrixD expected = inputs * weights.transpose();
  const MatrixD size = inputs.cwiseAbs() * weights.cwiseAbs().transpose();
  const double roundings = is_integer(w.view.type)
                               ? 6.0 + 2.0 * static_cast<double>(group_count(k, w.view.group))
                               : static_cast<double>(k) + 2.0;
  const double eps = std::numeric_limits<float>::epsilon();
  for (size_t t = 0; t < n; ++t) {
    for (size_t r = 0; r < m; ++r) {
      const auto i = static_cast<Eigen::Index>(t), j = static_cast<Eigen::Index>(r);
      const double b = bias.empty() ? 0.0 : static_cast<double>(bias[r]);
      const double bound = eps * (roundings * size(i, j) + std::fabs(b)) + 1e-30;
      const double error = std::fabs(static_cast<double>(y[t * m + r]) - (expected(i, j) + b));
      if (!(error <= bound)) {  // nor what is no number
        CAPTURE(t);
        CAPTURE(r);
        CAPTURE(error);
        CAPTURE(bound);
        REQUIRE(error <= bound);
      }
    }
  }
}

// f(weights, x, n) with every product at its largest, of one sign, and with the codes of a broken
// file too.
template <class F>
void for_largest_products(F&& f) {
  const size_t m = 17, k = 2049;
  for (const Type type : kIntegers) {
    Weights w(type, std::vector<float>(m * k, 1.0f), m, k);
    for (const int byte : {-1, 0, 255}) {  // -1: as packed
      if (byte >= 0) std::fill(w.packed.data.begin(), w.packed.data.end(), std::byte(byte));
      for (const size_t n : std::initializer_list<size_t>{1, 7, 20})
        for (const float input : {1.0f, -1.0f}) f(w, std::vector<float>(n * k, input), n);
    }
  }
}

struct Shape {
  size_t m, k, n;
};
constexpr Shape kShapes[] = {
    {1, 1, 1},    {1, 2, 3},    {16, 4, 1},    {16, 16, 2},  {17, 20, 4},   {15, 19, 5},
    {33, 21, 7},  {48, 64, 8},  {47, 63, 9},   {64, 65, 10}, {31, 127, 11}, {97, 129, 13},
    {5, 255, 16}, {80, 257, 1}, {50, 320, 1},  {24, 16, 49}, {7, 96, 50},   {112, 101, 70},
    {3, 1283, 6}, {257, 31, 3}, {40, 640, 23}, {65, 1531, 2}};
// Several pieces of k by a few tokens, by many, and by more than lie in a cache at once.
constexpr Shape kLongShapes[] = {{35, 2085, 51}, {18, 1600, 290}, {17, 16500, 47}};

// One shape on one instruction set against Eigen in double; a bias for two seeds of three.
void check_shape(Isa isa, Type type, const Shape& shape, size_t group, unsigned seed) {
  const size_t m = shape.m, k = shape.k, n = shape.n;
  CAPTURE(name(isa));
  CAPTURE(name(type));
  CAPTURE(m);
  CAPTURE(k);
  CAPTURE(n);
  CAPTURE(group);
  const Weights w(type, normal(m * k, seed, 0.05f), m, k, group);
  const auto x = normal(n * k, seed + 100);
  const auto bias = seed % 3 != 0 ? normal(m, seed + 200) : std::vector<float>{};
  check_against_double(w, x, n, bias, apply(Linear(w.view, bias, isa), x, n));
}

}  // namespace

TEST_CASE("every type, instruction set and ragged shape against Eigen in double") {
  for (Isa isa : isas()) {
    for (Type type : kAll) {
      unsigned seed = 1;
      for (const Shape& shape : kShapes)
        for (const size_t group : std::initializer_list<size_t>{0, 64, 128, 256})
          if (group == 0 || is_integer(type)) check_shape(isa, type, shape, group, seed++);
    }
  }
}

TEST_CASE("long inputs and many tokens against Eigen in double") {
  for (Isa isa : isas()) {
    if (isa == Isa::scalar) continue;
    unsigned seed = 1;
    for (const Shape& shape : kLongShapes) {
      for (const Type type : {Type::bf16, Type::i8, Type::t5})
        check_shape(isa, type, shape, 0, seed++);
      check_shape(isa, Type::i8, shape, 256, seed++);
    }
  }
}

TEST_CASE("integer types give the same bits on every instruction set") {
  for (Isa isa : isas()) {
    for (Type type : kIntegers) {
      for (const size_t m : std::initializer_list<size_t>{1, 16, 31, 50}) {
        for (const size_t k : std::initializer_list<size_t>{1, 3, 20, 64, 79, 200, 517}) {
          const size_t group = k % 2 == 0 ? 0 : 64;
          const Weights w(type, normal(m * k, static_cast<unsigned>(m + k)), m, k, group);
          const auto bias = normal(m, 5);
          const Linear reference(w.view, bias, Isa::scalar), tested(w.view, bias, isa);
          for (size_t n = 1; n <= 70; n += n < 34 ? 1 : 11) {
            const auto x = normal(n * k, static_cast<unsigned>(n));
            CAPTURE(name(isa));
            CAPTURE(name(type));
            CAPTURE(m);
            CAPTURE(k);
            CAPTURE(n);
            REQUIRE(same_bits(apply(tested, x, n), apply(reference, x, n)));
          }
        }
      }
    }
  }
}

TEST_CASE("the same bits for long inputs and many tokens, which kernels take piece by piece") {
  const size_t m = 33;
  for (Type type : kIntegers) {
    for (const size_t k : std::initializer_list<size_t>{640, 1000, 1923}) {
      for (const size_t group : std::initializer_list<size_t>{0, 64, 256}) {
        const Weights w(type, normal(m * k, static_cast<unsigned>(m + k)), m, k, group);
        for (const size_t n : std::initializer_list<size_t>{7, 17, 149}) {
          const auto x = normal(n * k, static_cast<unsigned>(n));
          check_every_isa(w.view, x, n);
        }
      }
    }
  }
}

TEST_CASE("every product at its largest, of one sign, with the codes of a broken file too") {
  for_largest_products([](const Weights& w, const std::vector<float>& x, size_t n) {
    check_every_isa(w.view, x, n);
  });
}

TEST_CASE("results do not depend on how rows and tokens are split") {
  const size_t m = 150, k = 203, n = 37;
  const auto x = normal(n * k, 8);
  const auto bias = normal(m, 9);
  for (Isa isa : isas()) {
    for (Type type : kAll) {
      CAPTURE(name(isa));
      CAPTURE(name(type));
      const Weights w(type, normal(m * k, 10), m, k);
      const Linear l(w.view, bias, isa);
      const auto whole = apply(l, x, n);
      Scratch scratch(l.scratch_bytes(n));
      const size_t step = l.token_tile(n);
      for (size_t n1 = n; n1 > 0;) {  // last tiles first
        const size_t n0 = (n1 - 1) / step * step;
        l.prepare(x.data(), k, n, scratch.data(), n0, n1);
        n1 = n0;
      }
      if (l.prepares_inputs()) {  // parts of tokens, the last first
        Scratch parts(l.scratch_bytes(n));
        constexpr size_t kPart = 3 * Linear::kInputTile;
        for (size_t k1 = k; k1 > 0;) {
          const size_t k0 = (k1 - 1) / kPart * kPart;
          l.prepare_inputs(x.data() + k0, k, n, parts.data(), k0, k1);
          k1 = k0;
        }
        CHECK(std::memcmp(parts.data(), scratch.data(), l.scratch_bytes(n)) == 0);
      }
      for (const size_t rows : std::initializer_list<size_t>{1, 2, 3, 5}) {
        // A wider y with guard columns: nothing outside [m0, m1) may be written.
        const size_t ldy = m + 3;
        std::vector<float> y(n * ldy, -777.0f);
        for (size_t m0 = 0; m0 < m; m0 += rows * l.row_tile())
          l.run(scratch.data(), n, m0, std::min(m, m0 + rows * l.row_tile()), y.data(), ldy);
        for (size_t t = 0; t < n; ++t) {
          REQUIRE(std::equal(whole.begin() + static_cast<ptrdiff_t>(t * m),
                             whole.begin() + static_cast<ptrdiff_t>((t + 1) * m),
                             y.begin() + static_cast<ptrdiff_t>(t * ldy)));
          for (size_t r = m; r < ldy; ++r) REQUIRE(y[t * ldy + r] == -777.0f);
        }
      }
      // A token alone gives what it gives in company, where sums are exact or in input order.
      if (type == Type::f32) continue;
      const std::vector<float> first(x.begin(), x.begin() + static_cast<ptrdiff_t>(k));
      const auto alone = apply(l, first, 1);
      CHECK(std::equal(alone.begin(), alone.end(), whole.begin()));
    }
  }
}

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
    {"NEON with SDOT",
     [](Type type) {
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
