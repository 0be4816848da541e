#include <doctest/doctest.h>
#include <sterna/nn/rope.h>
#include <sterna/quant/error.h>

#include <cmath>

#include "common.h"

using namespace sterna;
using nn::Pairing;

TEST_CASE("rotation: both pairings against complex numbers, the rest of a head stays") {
  const nn::Executor one(1), two(2);
  const std::vector<uint32_t> positions = {0, 1, 7, 300};
  const auto frequencies = nn::rope_frequencies(6, 100.0);
  REQUIRE(frequencies.size() == 3);
  CHECK(frequencies[2] == doctest::Approx(std::pow(100.0, -4.0 / 6)));
  for (const Pairing pairing : {Pairing::halves, Pairing::neighbours}) {
    test::Owned cos(4, 6), sin(4, 6);
    nn::fill_rotation(frequencies, positions, pairing, cos.view(), sin.view());
    auto x = test::random(4, 2 * 8, 5, 1.0f, 1);
    const auto before = x;
    auto again = x;
    nn::rotate(x.view(), 2, {cos.view(), sin.view(), pairing}, one);
    nn::rotate(again.view(), 2, {cos.view(), sin.view(), pairing}, two);
    CHECK(test::same_bits(x.data, again.data));
    for (size_t i = 0; i < 4; ++i) {
      for (size_t h = 0; h < 2; ++h) {
        const auto was = [&](size_t j) {
          return static_cast<double>(before.data[i * 17 + h * 8 + j]);
        };
        const auto is = [&](size_t j) { return static_cast<double>(x.at(i, h * 8 + j)); };
        for (size_t f = 0; f < 3; ++f) {
          const size_t a = pairing == Pairing::halves ? f : 2 * f;
          const size_t b = pairing == Pairing::halves ? f + 3 : 2 * f + 1;
          const double angle =
              static_cast<double>(static_cast<float>(positions[i]) * frequencies[f]);
          CHECK(is(a) ==
                doctest::Approx(was(a) * std::cos(angle) - was(b) * std::sin(angle)).epsilon(1e-5));
          CHECK(is(b) ==
                doctest::Approx(was(b) * std::cos(angle) + was(a) * std::sin(angle)).epsilon(1e-5));
        }
        CHECK(is(6) == was(6));
        CHECK(is(7) == was(7));
      }
    }
  }
}

TEST_CASE("Llama 3's scaling: short waves stay, long ones stretch, those between blend") {
  const nn::RopeScaling scaling{8, 1, 4, 8192};
  const auto plain = nn::rope_frequencies(128, 500000.0);
  const auto scaled = nn::rope_frequencies(128, 500000.0, scaling);
  CHECK(scaled[0] == plain[0]);
  CHECK(scaled[63] == doctest::Approx(plain[63] / 8));
  size_t between = 0;
  for (size_t j = 0; j < 64; ++j) {
    CHECK(scaled[j] <= plain[j]);
    CHECK(scaled[j] >= plain[j] / 8 * 0.999999f);
    const double wave = 2 * 3.14159265358979 / static_cast<double>(plain[j]);
    if (wave < 8192.0 / 4 || wave > 8192.0) continue;
    ++between;
    const double smooth = (8192 / wave - 1) / 3;
    CHECK(scaled[j] == doctest::Approx((1 - smooth) * plain[j] / 8 + smooth * plain[j]));
  }
  CHECK(between > 3);
}

TEST_CASE("a rotation that does not fit is refused") {
  const nn::Executor one(1);
  test::Owned x(3, 8), cos(3, 6), wide(3, 10), odd(3, 3), few(2, 6);
  const auto call = [&](test::Owned& c, size_t heads) {
    nn::rotate(x.view(), heads, {c.view(), c.view(), Pairing::halves}, one);
  };
  CHECK_NOTHROW(call(cos, 1));
  CHECK_THROWS_AS(call(cos, 2), Error);
  CHECK_THROWS_AS(call(cos, 0), Error);
  CHECK_THROWS_AS(call(wide, 1), Error);
  CHECK_THROWS_AS(call(odd, 1), Error);
  CHECK_THROWS_AS(call(few, 1), Error);
}
