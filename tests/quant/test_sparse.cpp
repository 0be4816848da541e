#include <doctest/doctest.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <string>
#include <utility>

#include "support.h"

using namespace sterna::quant;
using namespace sterna::quant::test;

TEST_CASE("t34 and t14 bytes are the documented ones") {
  // Row 17 (second panel, lane 1), a different state in each group of four, k = 128 + 20 inputs.
  const size_t m = 18, k = 148;
  for (const Type type : {Type::t34, Type::t14}) {
    CAPTURE(name(type));
    const int states = type == Type::t34 ? 32 : 8;
    std::vector<int8_t> q(m * k);
    for (size_t r = 0; r < m; ++r)
      for (size_t c = 0; c < k; c += 4) {
        // Position in bits 0, 1; then a sign for each other weight, or for the one that is there.
        const int state = static_cast<int>(r == 17 ? c / 4 * 7 + 3 : 0) % states;
        int sign = state >> 2;
        for (size_t i = 0; i < 4; ++i) {
          const bool there = (static_cast<int>(i) == state % 4) == (type == Type::t14);
          q[r * k + c + i] = static_cast<int8_t>(!there ? 0 : sign % 2 != 0 ? -1 : 1);
          if (there) sign /= 2;
        }
      }
    const std::vector<uint16_t> scale(m, 0x3c00);
    const Packed p = pack_integers(type, q, scale, m, k);
    const size_t lines = type == Type::t34 ? 5 : 3;
    REQUIRE(p.data.size() == 2 * 2 * lines * 64);  // 2 panels, 2 blocks of 128 inputs
    for (size_t block = 0; block < 2; ++block) {
      const std::byte* lane = p.data.data() + (2 + block) * lines * 64 + 4;
      const auto bit = [&](size_t line, size_t j, size_t i) {
        return std::to_integer<int>(lane[line * 64 + j]) >> i & 1;
      };
      for (size_t j = 0; j < 4; ++j) {
        const auto state = [&](std::initializer_list<std::pair<size_t, size_t>> bits) {
          int v = 0, shift = 0;
          for (const auto& at : bits) v |= bit(at.first, j, at.second) << shift++;
          return v;
        };
        for (size_t s = 0; s < 8; ++s) {
          const size_t c = block * 128 + 16 * s + 4 * j;
          int found;
          if (type == Type::t34) {
            found = s < 5    ? state({{s, 0}, {s, 1}, {s, 2}, {s, 3}, {s, 4}})
                    : s == 5 ? state({{0, 5}, {0, 6}, {0, 7}, {1, 6}, {1, 7}})
                    : s == 6 ? state({{2, 5}, {2, 6}, {2, 7}, {3, 6}, {3, 7}})
                             : state({{4, 5}, {4, 6}, {4, 7}, {1, 5}, {3, 5}});
          } else {
            const size_t l = s / 2, at = s % 2 * 3;
            found = s < 6    ? state({{l, at}, {l, at + 1}, {l, at + 2}})
                    : s == 6 ? state({{0, 6}, {0, 7}, {1, 6}})
                             : state({{1, 7}, {2, 6}, {2, 7}});
          }
          CAPTURE(c);
          CHECK(found == (c < k ? static_cast<int>(c / 4 * 7 + 3) % states : 0));
        }
      }
    }
    std::vector<int8_t> back(m * k);
    unpack_integers({type, m, k, p.data, p.scale, 0}, back);
    CHECK(back == q);
  }
}

TEST_CASE(
    "t34 zeroes the smallest of four, t14 keeps the largest; the scale is the least-squares one") {
  // Ties go to the first; a last group of three keeps all in t34, and one in t14.
  const std::vector<float> w = {0.5f, -0.25f, 1.0f,  -0.75f, 1.0f, -1.0f,
                                1.0f, -1.0f,  -2.0f, 0.0f,   1.0f};
  const auto integers = [&](Type type, const Packed& p) {
    std::vector<int8_t> q(w.size());
    unpack_integers({type, 1, w.size(), p.data, p.scale, 0}, q);
    return q;
  };
  const Packed dense = pack(Type::t34, w, 1, w.size());
  CHECK(integers(Type::t34, dense) == std::vector<int8_t>{1, 0, 1, -1, 0, -1, 1, -1, -1, 1, 1});
  CHECK(f16_to_f32(dense.scale[0]) == f16_to_f32(f32_to_f16((2.25f + 3 + 3) / 9)));
  const Packed thin = pack(Type::t14, w, 1, w.size());
  CHECK(integers(Type::t14, thin) == std::vector<int8_t>{0, 0, 1, 0, 1, 0, 0, 0, -1, 0, 0});
  CHECK(f16_to_f32(thin.scale[0]) == f16_to_f32(f32_to_f16(4.0f / 3)));
  // No scale within half a step, and no other pattern of one row, comes closer.
  const size_t k = 256;
  const auto random = normal(k, 77);
  for (const Type type : {Type::t34, Type::t14}) {
    const Weights p(type, random, 1, k);
    std::vector<int8_t> q(k);
    unpack_integers(p.view, q);
    const double s = static_cast<double>(f16_to_f32(p.view.scale[0]));
    const auto error = [&](double scale) {
      double sum = 0;
      for (size_t i = 0; i < k; ++i) {
        const double d = static_cast<double>(random[i]) - scale * q[i];
        sum += d * d;
      }
      return sum;
    };
    CHECK(error(s) <= error(s * 1.001));
    CHECK(error(s) <= error(s * 0.999));
    for (size_t c = 0; c < k; c += 4) {
      double kept = 0, dropped = 1e9;
      for (size_t i = c; i < c + 4; ++i) {
        const double a = std::fabs(static_cast<double>(random[i]));
        if (type == Type::t34) {
          if (q[i] == 0) kept = a;
          if (q[i] != 0) dropped = std::min(dropped, a);
        } else {
          if (q[i] == 0) kept = std::max(kept, a);
          if (q[i] != 0) dropped = a;
        }
      }
      CHECK(kept <= dropped);
    }
  }
}

TEST_CASE("patterns that t34 and t14 lack are refused") {
  const std::vector<uint16_t> scale(2, 0x3c00);
  const auto refused = [&](Type type, std::vector<int8_t> last) {
    std::vector<int8_t> q(16);
    for (size_t c = 0; c < 16; c += 4) {
      q[c + 1] = type == Type::t34 ? int8_t{0} : int8_t{-1};
      if (type == Type::t34) q[c] = q[c + 2] = q[c + 3] = 1;
    }
    q.resize(8 + 8 - 4);
    std::vector<int8_t> two(q);
    two.insert(two.end(), q.begin(), q.end() - static_cast<ptrdiff_t>(last.size() == 4 ? 4 : 0));
    two.insert(two.end(), last.begin(), last.end());
    return message([&] { pack_integers(type, two, scale, 2, two.size() / 2); });
  };
  CHECK(refused(Type::t34, {1, 0, 0, 1}) ==
        "t34 weights [2, 12]: expected one zero in each four inputs, found 1 0 0 1 in row 1");
  CHECK(refused(Type::t34, {1, 1, -1, 1}) != "");
  CHECK(refused(Type::t34, {1, 1, -1, 0}) == "");
  CHECK(refused(Type::t14, {0, 0, 0, 0}) ==
        "t14 weights [2, 12]: expected one non-zero in each four inputs, found 0 0 0 0 in row 1");
  CHECK(refused(Type::t14, {0, 1, 0, -1}) != "");
  CHECK(refused(Type::t14, {0, 0, 0, -1}) == "");
}
