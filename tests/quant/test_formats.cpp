#include <doctest/doctest.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <string>

#include "support.h"

using namespace sterna::quant;
using namespace sterna::quant::test;

TEST_CASE("binary16: every value survives a round trip, rounding is to nearest even") {
  for (uint32_t h = 0; h <= 0xffff; ++h) {
    const float f = f16_to_f32(static_cast<uint16_t>(h));
    if (std::isnan(f)) {
      CHECK(std::isnan(f16_to_f32(f32_to_f16(f))));
      continue;
    }
    REQUIRE(f32_to_f16(f) == h);
    if ((h & 0x7fff) >= 0x7bff) continue;
    // Halfway to the next magnitude goes to the even one, just beside it to the nearer one.
    const float next = f16_to_f32(static_cast<uint16_t>(h + 1));
    const float middle = f + (next - f) / 2;
    REQUIRE(f32_to_f16(middle) == (h % 2 == 0 ? h : h + 1));
    REQUIRE(f32_to_f16(std::nextafter(middle, f)) == h);
    REQUIRE(f32_to_f16(std::nextafter(middle, next)) == h + 1);
  }
  CHECK(f16_to_f32(0x3c00) == 1.0f);
  CHECK(f16_to_f32(0x0001) == 0x1p-24f);
  CHECK(f32_to_f16(65519.0f) == 0x7bff);
  CHECK(f32_to_f16(65520.0f) == 0x7c00);
  CHECK(f32_to_f16(-1e30f) == 0xfc00);
}

TEST_CASE("bfloat16 rounds to nearest even") {
  CHECK(f32_to_bf16(1.0f) == 0x3f80);
  CHECK(f32_to_bf16(1.0f + 0x1p-8f) == 0x3f80);            // tie, down to even
  CHECK(f32_to_bf16(1.0f + 0x1p-7f + 0x1p-8f) == 0x3f82);  // tie, up to even
  CHECK(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0x7f800001u)))));
  for (uint32_t h = 0; h <= 0xffff; ++h) {
    const float f = bf16_to_f32(static_cast<uint16_t>(h));
    if (!std::isnan(f)) REQUIRE(f32_to_bf16(f) == h);
  }
}

TEST_CASE("t2 and t5 bytes are the documented ones") {
  // Row 0 = +1 -1 0 +1 | 0 0 0 +1 | -1 ..., row 17 (second panel, lane 1) = -1 at input 20.
  std::vector<float> w(18 * 21, 0.0f);
  const int row0[] = {1, -1, 0, 1, 0, 0, 0, 1, -1};
  for (size_t c = 0; c < 9; ++c) w[c] = static_cast<float>(row0[c]);
  w[17 * 21 + 20] = -1;
  SUBCASE("t2") {
    const Packed p = pack(Type::t2, w, 18, 21);
    REQUIRE(p.data.size() == 2 * 2 * 64);  // 2 panels, 2 blocks of 16 inputs
    const auto at = [&](size_t i) { return std::to_integer<int>(p.data[i]); };
    // byte j: codes of inputs j, 4+j, 8+j, 12+j from the low bits up
    CHECK(at(0) == (2 | 1 << 2 | 0 << 4 | 1 << 6));
    CHECK(at(1) == (0 | 1 << 2 | 1 << 4 | 1 << 6));
    CHECK(at(2) == 0x55);
    CHECK(at(3) == (2 | 2 << 2 | 1 << 4 | 1 << 6));
    CHECK(at(4) == 0x55);                                       // row 1
    CHECK(at(128 + 64 + 4) == (1 | 0 << 2 | 1 << 4 | 1 << 6));  // panel 1, block 1, lane 1
  }
  SUBCASE("t5") {
    const Packed p = pack(Type::t5, w, 18, 21);
    REQUIRE(p.data.size() == 2 * 2 * 64);  // 2 panels, 2 blocks of 20 inputs
    const auto at = [&](size_t i) { return std::to_integer<int>(p.data[i]); };
    CHECK(at(0) == 2 + 3 * 1 + 9 * 0 + 27 + 81);
    CHECK(at(1) == 0 + 3 * 1 + 9 * 1 + 27 + 81);
    CHECK(at(2) == 121);
    CHECK(at(3) == 2 + 3 * 2 + 9 * 1 + 27 + 81);
    CHECK(at(128 + 64 + 4) == 0 + 3 + 9 + 27 + 81);
  }
  SUBCASE("i8") {
    for (float& v : w) v *= 127;  // the scale is 1
    const Packed p = pack(Type::i8, w, 18, 21);
    REQUIRE(p.data.size() == 2 * 6 * 64);
    const auto at = [&](size_t i) { return std::to_integer<int>(p.data[i]); };
    CHECK(at(0) == 255);
    CHECK(at(1) == 1);
    CHECK(at(2) == 128);
    CHECK(at(6 * 64 + 5 * 64 + 4) == 1);
  }
  SUBCASE("bf16") {
    const Packed p = pack(Type::bf16, w, 18, 21);
    REQUIRE(p.data.size() == 2 * 11 * 64);
    CHECK(p.scale.empty());
    CHECK(std::to_integer<int>(p.data[1]) == 0x3f);
    CHECK(std::to_integer<int>(p.data[0]) == 0x80);
    CHECK(std::to_integer<int>(p.data[3]) == 0xbf);
    CHECK(std::to_integer<int>(p.data[11 * 64 + 10 * 64 + 5]) == 0xbf);
  }
}

TEST_CASE("absmean ternary and absmax int8, by hand") {
  // mean |w| = 0.5: 0.25 / 0.5 is a tie and goes to 0, 0.26 to 1, 3 clips to 1.
  const std::vector<float> w = {0.25f, -0.25f, 0.26f, -0.74f, 0.0f, 1.5f, -1.0f, 0.0f};
  const Packed p = pack(Type::t2, w, 1, 8);
  CHECK(f16_to_f32(p.scale[0]) == 0.5f);
  std::vector<int8_t> q(8);
  unpack_integers({Type::t2, 1, 8, p.data, p.scale, 0}, q);
  CHECK(q == std::vector<int8_t>{0, 0, 1, -1, 0, 1, -1, 0});

  std::vector<float> v(129);  // too many to try scales
  const std::vector<float> some = {127.0f, -127.0f, 0.5f, 1.5f, -2.5f, 126.6f};
  std::copy(some.begin(), some.end(), v.begin());
  const Packed i = pack(Type::i8, v, 1, v.size());
  CHECK(f16_to_f32(i.scale[0]) == 1.0f);
  q.resize(v.size());
  unpack_integers({Type::i8, 1, v.size(), i.data, i.scale, 0}, q);
  q.resize(6);
  CHECK(q == std::vector<int8_t>{127, -127, 0, 2, -2, 127});
}

TEST_CASE("weights that are ternary already keep their magnitude as scale") {
  // 0.375 is fp16's; absmean would make it a third.
  const std::vector<float> w = {0.375f, 0, 0, -0.375f, 0, 0, 0, 0, 0};
  for (const Type type : {Type::t2, Type::t5}) {
    const Packed p = pack(type, w, 1, 9);
    std::vector<float> read(9);
    dequantise({type, 1, 9, p.data, p.scale, 0}, read);
    CHECK(read == w);
  }
  // What fp16 can't hold is no such weight.
  const std::vector<float> other = {0.37501f, 0, 0, 0};
  CHECK(f16_to_f32(pack(Type::t5, other, 1, 4).scale[0]) < 0.1f);
}

TEST_CASE("a row's integers, from any column on, are the matrix's") {
  for (const Type type : {Type::i8, Type::t2, Type::t5, Type::t34, Type::t14}) {
    const size_t m = 37, k = 301;
    CAPTURE(name(type));
    const Packed p = pack(type, normal(m * k, 9), m, k);
    const WeightView view{type, m, k, p.data, p.scale, 0};
    std::vector<int8_t> all(m * k);
    unpack_integers(view, all);
    for (const size_t row : {size_t{0}, size_t{15}, size_t{16}, m - 1}) {
      for (const size_t first : {size_t{0}, size_t{1}, size_t{127}, size_t{300}}) {
        std::vector<int8_t> part(k - first);
        unpack_row(view, row, first, part);
        const auto wanted = std::span(all).subspan(row * k + first, part.size());
        CHECK(std::ranges::equal(part, wanted));
      }
    }
  }
}

TEST_CASE("few int8 weights take the scale of least squared error") {
  const auto error = [](std::span<const float> w, double s) {
    double sum = 0;
    for (const double v : w)
      sum += std::pow(v - std::clamp(std::nearbyint(v / s), -127.0, 127.0) * s, 2);
    return sum;
  };
  double found = 0, absmax = 0;  // of rows of 24
  for (const unsigned k : {1U, 3U, 24U, 64U, 128U}) {
    CAPTURE(k);
    const size_t m = 50;
    const auto all = normal(m * k, 5 + k);
    const Packed p = pack(Type::i8, all, m, k);
    for (size_t r = 0; r < m; ++r) {
      const auto w = std::span(all).subspan(r * k, k);
      float top = 0;
      for (const float v : w) top = std::max(top, std::fabs(v));
      const double least = error(w, static_cast<double>(f16_to_f32(p.scale[r])));
      for (int level = 100; level <= 127; ++level) {
        const float s = f16_to_f32(f32_to_f16(top / static_cast<float>(level)));
        CHECK(least <= error(w, static_cast<double>(s)) * (1 + 1e-5) + 1e-12);
      }
      if (k == 24) {
        found += least;
        absmax += error(w, static_cast<double>(top / 127));
      }
    }
  }
  CHECK(found < 0.8 * absmax);
  // Whole steps of 15/2048: 112 of them are the largest, and fp16 holds one.
  const std::vector<float> exact = {105.0f / 128, 75.0f / 128, -15.0f / 128};
  const Packed p = pack(Type::i8, exact, 1, 3);
  std::vector<int8_t> q(3);
  unpack_integers({Type::i8, 1, 3, p.data, p.scale, 0}, q);
  CHECK(q == std::vector<int8_t>{112, 80, -16});
}

TEST_CASE("quantising what was dequantised changes nothing") {
  for (const size_t group : std::initializer_list<size_t>{0, 64, 128, 256}) {
    for (Type type : {Type::t2, Type::t5, Type::t34, Type::t14, Type::i8, Type::bf16, Type::f32}) {
      CAPTURE(group);
      CAPTURE(name(type));
      const size_t m = 37, k = 331;
      const Weights a(type, normal(m * k, 7, 0.02f), m, k, group);
      std::vector<float> real(m * k);
      dequantise(a.view, real);
      if (is_integer(type)) {
        // Exactly representable values return to the same integers under the same scales.
        std::vector<int8_t> q(m * k);
        unpack_integers(a.view, q);
        const size_t groups = group_count(k, group), step = group == 0 ? k : group;
        for (size_t i = 0; i < m * k; ++i) {
          const float s = f16_to_f32(a.view.scale[i / k * groups + i % k / step]);
          REQUIRE(real[i] == static_cast<float>(q[i]) * s);
        }
      } else {
        const Weights b(type, real, m, k, group);
        CHECK(a.packed.data == b.packed.data);
      }
    }
  }
}

TEST_CASE("integers laid out are the integers read back, and those of pack()") {
  for (const Type type : {Type::i8, Type::t2, Type::t5, Type::t34, Type::t14}) {
    for (const size_t group : {size_t{0}, size_t{64}}) {
      const size_t m = 19, k = 83;
      const Weights w(type, normal(m * k, 7), m, k, group);
      std::vector<int8_t> q(m * k);
      unpack_integers(w.view, q);
      const Packed packed = pack_integers(type, q, w.packed.scale, m, k, group);
      CHECK(packed.data == w.packed.data);
      CHECK(packed.scale == w.packed.scale);
      q[5] = type == Type::i8 ? int8_t{-128} : int8_t{2};
      const std::string found = message([&] { pack_integers(type, q, packed.scale, m, k, group); });
      CHECK(found.find("weights [19, 83]: expected integers from -") != std::string::npos);
      q.pop_back();
      CHECK(message([&] {
              pack_integers(type, q, packed.scale, m, k, group);
            }).find("expected 1577 integers and") != std::string::npos);
    }
  }
  CHECK(message([] { pack_integers(Type::bf16, {}, {}, 0, 0); }) ==
        "bf16 weights [0, 0]: expected an integer type");
}

TEST_CASE("rows of zeros, tiny and huge weights") {
  for (Type type : {Type::t2, Type::t5, Type::t34, Type::t14, Type::i8}) {
    std::vector<float> w(3 * 5, 0.0f), real(15);
    const float largest = type == Type::i8 ? 127 * 65504.0f : 65504.0f;
    for (size_t c = 0; c < 5; ++c) {
      w[5 + c] = 1e-30f;  // scale rounds to zero
      w[10 + c] = largest;
    }
    const Weights p(type, w, 3, 5);
    dequantise(p.view, real);
    for (size_t c = 0; c < 10; ++c) CHECK(real[c] == 0.0f);
    for (size_t c = 10; c < 15; ++c)
      CHECK((real[c] == largest || (is_sparse(type) && real[c] == 0)));
    for (const float huge : {2 * largest, std::numeric_limits<float>::max()}) {
      std::fill_n(w.begin() + 10, 5, huge);  // else they would become others, without a word
      CHECK(message([&] { pack(type, w, 3, 5); }).find("a scale up to 65504") != std::string::npos);
    }
  }
  CHECK(message([] { pack(Type::bf16, std::vector{std::numeric_limits<float>::max()}, 1, 1); })
            .find("bf16's range") != std::string::npos);
}

TEST_CASE("i8row tables") {
  const size_t m = 9, k = 50;
  const auto w = normal(m * k, 3);
  const RowTable t = pack_rows(w, m, k);
  std::vector<float> row(k);
  for (size_t r = 0; r < m; ++r) {
    lookup_row({&t.data[r * k], k}, t.scale[r], row);
    const float s = f16_to_f32(t.scale[r]);
    for (size_t c = 0; c < k; ++c) CHECK(std::fabs(row[c] - w[r * k + c]) <= 0.5001f * s);
  }
}

TEST_CASE("errors name what was expected and found") {
  const std::vector<float> w(4 * 8, 1.0f);
  CHECK(message([&] { pack(Type::t2, w, 4, 8, 32); }) ==
        "t2 weights [4, 8]: expected group 0, 64, 128 or 256, found 32");
  CHECK(message([&] { pack(Type::t2, w, 4, 9); }) ==
        "t2 weights [4, 9]: expected 36 numbers, found 32");
  std::vector<float> bad = w;
  bad[11] = std::numeric_limits<float>::quiet_NaN();
  CHECK(message([&] { pack(Type::t5, bad, 4, 8); }) ==
        "t5 weights [4, 8]: expected finite numbers, found nan in row 1");
  const Packed p = pack(Type::t5, w, 4, 8);
  CHECK(message([&] {
          Linear({Type::t5, 4, 21, p.data, p.scale, 0});
        }) == "t5 weights [4, 21]: expected 128 bytes, found 64");
  CHECK(message([&] {
          Linear({Type::t5, 4, 8, p.data, {}, 0});
        }) == "t5 weights [4, 8]: expected 4 scales, found 0");
  CHECK(message([&] {
          Linear({Type::t5, 0, 8, {}, {}, 0});
        }) == "t5 weights [0, 8]: expected at least one row and column");
  CHECK(message([&] {
          Linear({Type::t5, 4, 8, p.data, p.scale, 0}, std::span(w).first(3));
        }) == "bias: expected 4 numbers, found 3");
  CHECK(message([&] { parse_type("q4"); }) ==
        "weight type: expected one of f32, bf16, i8, t2, t5, t34, t14, found \"q4\"");
  CHECK(
      message([&] { parse_isa("sse9"); }) ==
      "instruction set: expected one of scalar, avx2, avxvnni, avx512, amx, neon, found \"sse9\"");
  CHECK_THROWS_AS(weight_bytes(Type::f32, SIZE_MAX / 2, 9), sterna::Error);
  CHECK_THROWS_AS(weight_bytes(Type::t5, SIZE_MAX, SIZE_MAX), sterna::Error);
  CHECK(has_isa(parse_isa(name(best_isa()))));
}
