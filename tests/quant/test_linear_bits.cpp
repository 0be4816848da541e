#include <doctest/doctest.h>
#include <sterna/quant/linear.h>

#include <initializer_list>

#include "reference.h"
#include "support.h"

using namespace sterna::quant;
using namespace sterna::quant::test;

TEST_CASE("integer types give the same bits on every instruction set") {
  for (Type type : kIntegers) {
    for (const size_t m : std::initializer_list<size_t>{1, 16, 31, 50}) {
      for (const size_t k : std::initializer_list<size_t>{1, 3, 20, 64, 79, 200, 517}) {
        const size_t group = k % 2 == 0 ? 0 : 64;
        const Weights w(type, normal(m * k, static_cast<unsigned>(m + k)), m, k, group);
        const auto bias = normal(m, 5);
        for (size_t n = 1; n <= 70; n += n < 34 ? 1 : 11)
          check_every_isa(w.view, normal(n * k, static_cast<unsigned>(n)), n, bias);
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
