#include <doctest/doctest.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>
#include <sterna/quant/linear.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>

#include "guarded.h"
#include "support.h"

using namespace sterna::quant;
using namespace sterna::quant::test;

TEST_CASE("extremes stay exact: nothing saturates, nothing wraps") {
  // All weights +1 (or +-127) and all activations at one end: int16 sums elsewhere wrap here.
  const size_t m = 19, n = 9;
  for (Isa isa : isas()) {
    for (Type type : kIntegers) {
      // Of more than 128 weights: the largest is +-127 then.
      for (const size_t k : std::initializer_list<size_t>{144, 4096, 8191, 131072}) {
        if (k == 131072 && type != Type::i8 && isa == Isa::scalar) continue;
        for (float sign : {1.0f, -1.0f}) {
          if (is_sparse(type)) continue;
          const Weights w(type, std::vector<float>(m * k, sign), m, k);
          const double s =
              static_cast<double>(f16_to_f32(w.view.scale[0])) * (type == Type::i8 ? 127 : 1);
          // The first input 127 and the others 64 make the integers themselves 127, 64, 64 ...
          std::vector<float> x(n * k, 64.0f);
          for (size_t t = 0; t < n; ++t) x[t * k] = t % 2 == 0 ? 127.0f : -127.0f;
          std::fill(x.begin(), x.begin() + static_cast<ptrdiff_t>(k), 127.0f);
          std::fill(x.begin() + static_cast<ptrdiff_t>(k),
                    x.begin() + static_cast<ptrdiff_t>(2 * k), -127.0f);
          const auto y = apply(Linear(w.view, {}, isa), x, n);
          CAPTURE(name(isa));
          CAPTURE(name(type));
          CAPTURE(k);
          for (size_t t = 0; t < n; ++t) {
            const double others = t == 0 ? 127.0 : t == 1 ? -127.0 : 64.0;
            const double first = t % 2 == 0 ? 127.0 : -127.0;
            const double sum = first + others * static_cast<double>(k - 1);
            const double expected = sum * s * static_cast<double>(sign);
            for (size_t r = 0; r < m; ++r)
              REQUIRE(static_cast<double>(y[t * m + r]) == doctest::Approx(expected).epsilon(2e-7));
          }
        }
      }
    }
  }
}

TEST_CASE("extremes of sparse weights stay exact") {
  // Weights of size 1 all of one sign, at any place, by inputs of +-127, alone and in company.
  const size_t m = 19;
  for (Isa isa : isas()) {
    for (const Type type : {Type::t34, Type::t14}) {
      for (const size_t k : std::initializer_list<size_t>{64, 4096, 8191, 131072}) {
        if (k == 131072 && isa == Isa::scalar) continue;
        for (const float sign : {1.0f, -1.0f}) {
          for (const size_t n : std::initializer_list<size_t>{1, 9}) {
            const Weights w(type, std::vector<float>(m * k, sign), m, k);
            std::vector<int8_t> q(m * k);
            unpack_integers(w.view, q);
            const auto kept = static_cast<double>(std::count_if(
                q.begin(), q.begin() + static_cast<ptrdiff_t>(k), [](int8_t v) { return v != 0; }));
            CHECK(kept == static_cast<double>(type == Type::t34 ? k - k / 4 : (k + 3) / 4));
            for (const float input : {127.0f, -127.0f}) {
              const std::vector<float> x(n * k, input);
              const auto y = apply(Linear(w.view, {}, isa), x, n);
              CAPTURE(name(isa));
              CAPTURE(name(type));
              CAPTURE(k);
              CAPTURE(n);
              const double expected = kept * static_cast<double>(input) * static_cast<double>(sign);
              for (const float v : y)
                REQUIRE(static_cast<double>(v) == doctest::Approx(expected).epsilon(2e-7));
            }
          }
        }
      }
    }
  }
}

TEST_CASE("bytes that no packer writes read the same everywhere") {
  const size_t m = 16, k = 400;
  for (Type type : kIntegers) {
    std::vector<std::byte> data(weight_bytes(type, m, k));
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * 37 % 256);
    for (const size_t group : std::initializer_list<size_t>{0, 64}) {
      const std::vector<uint16_t> scale(m * group_count(k, group), f32_to_f16(0.25f));
      const WeightView view{type, m, k, data, scale, group};
      // One token, a tile, several tiles, and enough of them for AMX.
      for (const size_t n : std::initializer_list<size_t>{1, 5, 9, 40})
        check_every_isa(view, normal(n * k, 11), n);
    }
  }
}

TEST_CASE("zero, tiny, infinite and NaN tokens") {
  const size_t m = 18, k = 200, n = 37;
  const auto bias = normal(m, 2);
  for (Isa isa : isas()) {
    for (Type type : kIntegers) {
      for (const size_t group : std::initializer_list<size_t>{0, 64}) {
        CAPTURE(name(isa));
        CAPTURE(name(type));
        CAPTURE(group);
        const Weights w(type, normal(m * k, 4), m, k, group);
        auto x = normal(n * k, 6);
        std::fill_n(x.begin(), k, 0.0f);
        std::fill_n(x.begin() + static_cast<ptrdiff_t>(k), k, 1e-44f);
        x[2 * k + 7] = std::numeric_limits<float>::infinity();
        x[3 * k + k - 1] = std::numeric_limits<float>::quiet_NaN();
        x[4 * k] = -std::numeric_limits<float>::max();
        const auto y = apply(Linear(w.view, bias, isa), x, n);
        for (size_t r = 0; r < m; ++r) {
          CHECK(y[r] == bias[r]);
          CHECK(y[m + r] == bias[r]);
          CHECK(std::isnan(y[2 * m + r]));
          CHECK(std::isnan(y[3 * m + r]));
          for (size_t t = 4; t < n; ++t) CHECK(!std::isnan(y[t * m + r]));
        }
      }
    }
  }
}

TEST_CASE("nothing beyond an end is read or written, nor what lies between rows of x") {
  const size_t m = 17, gap = 3;
  for (Isa isa : isas()) {
    for (Type type : kAll) {
      for (const size_t k : std::initializer_list<size_t>{1, 17, 63, 65, 1025}) {
        const Weights w(type, normal(m * k, 10), m, k);
        const auto bias = normal(m, 9);
        Guarded<std::byte> data(w.packed.data);
        Guarded<uint16_t> scale(w.packed.scale);
        Guarded<float> bias_at(bias);
        WeightView view = w.view;
        view.data = data.span();
        view.scale = scale.span();
        const Linear l(view, bias_at.span(), isa);
        for (const size_t n : std::initializer_list<size_t>{1, 7, 33}) {
          CAPTURE(name(isa));
          CAPTURE(name(type));
          CAPTURE(k);
          CAPTURE(n);
          const auto x = normal(n * k, 8);
          std::vector<float> apart((n - 1) * (k + gap) + k,
                                   std::numeric_limits<float>::quiet_NaN());
          for (size_t t = 0; t < n; ++t)
            std::copy_n(x.data() + t * k, k, apart.data() + t * (k + gap));
          Guarded<float> x_at(apart), y(std::vector<float>(n * m, -777.0f));
          Guarded<std::byte> scratch(std::vector<std::byte>((l.scratch_bytes(n) + 63) / 64 * 64));
          l.prepare(x_at.span().data(), k + gap, n, scratch.span().data());
          l.run(scratch.span().data(), n, 0, m, y.span().data(), m);
          REQUIRE(same_bits({y.span().begin(), y.span().end()},
                            apply(Linear(w.view, bias, isa), x, n)));
        }
      }
    }
  }
}
