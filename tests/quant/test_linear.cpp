#include <doctest/doctest.h>
#include <sterna/quant/linear.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>

#include "reference.h"
#include "support.h"

using namespace sterna::quant;
using namespace sterna::quant::test;

namespace {

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
