#include <doctest/doctest.h>
#include <sterna/nn/attention.h>
#include <sterna/quant/error.h>
#include <tests/support/worse.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "common.h"
#include "nn/attention_bf16.h"

using namespace sterna;

namespace {

/// Attention by its definition, in double.
double expected(test::Owned& q, test::Owned& k, test::Owned& v, size_t dim, double scale, size_t i,
                size_t column, size_t first, size_t last) {
  const size_t h = column / dim;
  std::vector<double> s(last - first);
  double top = -1e300, total = 0.0, sum = 0.0;
  for (size_t c = first; c < last; ++c) {
    double dot = 0.0;
    for (size_t j = h * dim; j < (h + 1) * dim; ++j)
      dot += static_cast<double>(q.at(i, j)) * k.at(c, j);
    s[c - first] = dot * scale;
    top = std::max(top, dot * scale);
  }
  for (double& e : s) total += e = std::exp(e - top);
  for (size_t c = first; c < last; ++c) sum += s[c - first] / total * v.at(c, column);
  return sum;
}

// Scores are sums of dim products of size about 1, then softmax and a sum over keys: errors stay
// below (dim + keys) roundings of numbers of size <= 8.
double tolerance(size_t dim, size_t keys) {
  return std::ldexp(8.0 * static_cast<double>(dim + keys + 16), -24);
}

}  // namespace

TEST_CASE("attention: against double, same bits on every ISA and thread count, ragged sizes") {
  struct Shape {
    size_t tq, tk, heads, dim;
  };
  const nn::Executor one(1), two(2);
  for (const auto& [tq, tk, heads, dim] :
       {Shape{1, 1, 1, 1}, Shape{5, 3, 2, 7}, Shape{50, 50, 4, 64}, Shape{13, 16, 3, 32},
        Shape{31, 600, 2, 33}, Shape{64, 257, 1, 256}, Shape{7, 256, 12, 32}}) {
    const size_t d = heads * dim;
    auto q = test::random(tq, d, 1, 1.0f, 2), k = test::random(tk, d, 2),
         v = test::random(tk, d, 3);
    const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(dim)));
    nn::Workspace workspace;
    test::Owned want(tq, d, 1);
    nn::attention(q.view(), k.view(), v.view(), heads, scale, want.view(), one, workspace,
                  quant::Isa::scalar);
    double worst = 0.0;
    for (size_t i = 0; i < tq; ++i)
      for (size_t j = 0; j < d; ++j)
        worst = test::worse(worst,
                            std::fabs(want.at(i, j) - expected(q, k, v, dim, scale, i, j, 0, tk)));
    CHECK(worst <= tolerance(dim, tk));
    for (const auto isa : test::isas()) {
      for (const auto* executor : {&one, &two}) {
        test::Owned y(tq, d, 1);
        nn::attention(q.view(), k.view(), v.view(), heads, scale, y.view(), *executor, workspace,
                      isa);
        CHECK(test::same_bits(y.data, want.data));
      }
    }
  }
}

TEST_CASE("attention over several texts equals each text alone, and allocates once") {
  const size_t heads = 2, dim = 32, d = heads * dim;
  const std::vector<uint32_t> starts = {0, 1, 1, 18, 30, 100, 101};
  auto qkv = test::random(101, 3 * d, 4);
  const auto q = qkv.view().slice_cols(0, d), k = qkv.view().slice_cols(d, d),
             v = qkv.view().slice_cols(2 * d, d);
  nn::Workspace workspace;
  const nn::Executor two(2);
  test::Owned all(101, d);
  nn::attention(q, k, v, heads, 0.2f, starts, all.view(), two, workspace);
  const size_t allocations = workspace.system_allocations();
  for (size_t i = 0; i + 1 < starts.size(); ++i) {
    const size_t first = starts[i], n = starts[i + 1] - first;
    test::Owned alone(n, d);
    nn::attention(q.slice_rows(first, n), k.slice_rows(first, n), v.slice_rows(first, n), heads,
                  0.2f, alone.view(), two, workspace);
    const std::vector<float> part(all.data.begin() + static_cast<std::ptrdiff_t>(first * d),
                                  all.data.begin() + static_cast<std::ptrdiff_t>((first + n) * d));
    CHECK(test::same_bits(part, alone.data));
  }
  CHECK(workspace.system_allocations() == allocations);
}

TEST_CASE("attention in bf16: against double, each text by itself, any number of threads") {
  struct Shape {
    std::vector<uint32_t> starts;
    size_t heads, kv_heads, dim;
  };
  const nn::Executor one(1), two(2);
  for (const auto& [starts, heads, kv_heads, dim] :
       {Shape{{0, 1}, 1, 1, 1}, Shape{{0, 5, 227, 232}, 4, 2, 7},  // 5 keys of 7 stay in f32
        Shape{{0, 0, 33, 66, 67}, 2, 1, 64}, Shape{{0, 257, 857}, 2, 2, 33},
        Shape{{0, 13, 269}, 1, 1, 256}}) {
    const size_t t = starts.back(), group = heads / kv_heads;
    auto q = test::random(t, heads * dim, 1, 1.0f, 2), k = test::random(t, kv_heads * dim, 2),
         v = test::random(t, kv_heads * dim, 3);
    const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(dim)));
    const nn::GroupedAttention kind{heads, kv_heads, scale, {}, true};
    // Each query head with keys of its own, as expected() wants them.
    test::Owned keys(t, heads * dim), values(t, heads * dim);
    for (size_t i = 0; i < t; ++i) {
      for (size_t j = 0; j < heads * dim; ++j) {
        keys.at(i, j) = k.at(i, j / dim / group * dim + j % dim);
        values.at(i, j) = v.at(i, j / dim / group * dim + j % dim);
      }
    }
    for (const auto isa : test::isas()) {
      nn::Workspace workspace;
      test::Owned y(t, heads * dim, 3), again(t, heads * dim, 3);
      nn::attention(q.view(), k.view(), v.view(), kind, {starts, {}, {}}, y.view(), one, workspace,
                    isa);
      double worst = 0, squares = 0, count = 0;
      for (size_t s = 0; s + 1 < starts.size(); ++s) {
        for (size_t i = starts[s]; i < starts[s + 1]; i += 11) {
          for (size_t j = i % 13; j < heads * dim; j += 13) {
            const double error = y.at(i, j) - expected(q, keys, values, dim, scale, i, j, starts[s],
                                                       starts[s + 1]);
            worst = test::worse(worst, std::fabs(error));
            squares += error * error, ++count;
          }
        }
      }
      // Products of three factors rounded to 8 bits, sums of dim and of keys of them.
      CHECK(worst <= 0.03);
      CHECK(squares <= 1e-5 * count + 1e-4);
      nn::attention(q.view(), k.view(), v.view(), kind, {starts, {}, {}}, again.view(), two,
                    workspace, isa);
      CHECK(test::same_bits(y.data, again.data));
    }
  }
}

TEST_CASE("attention in bf16 packs the same keys and values on every instruction set") {
  const size_t stride = 131;
  auto k = test::random(300, stride, 1), v = test::random(300, stride, 2);
  for (const size_t dim : std::initializer_list<size_t>{1, 2, 15, 16, 31, 32, 33, 64, 80, 128}) {
    for (const size_t keys : std::initializer_list<size_t>{1, 15, 16, 17, 31, 256, 257, 300}) {
      const size_t bytes = nn::bf16::packed_bytes(keys, dim);
      nn::Workspace room;
      std::byte* first = room.bytes(bytes);
      nn::bf16::pack(k.data.data(), stride, v.data.data(), stride, keys, dim, first,
                     quant::Isa::scalar);
      for (const auto isa : test::isas()) {
        std::byte* other = room.bytes(bytes);
        std::fill_n(other, bytes, std::byte{0xff});
        nn::bf16::pack(k.data.data(), stride, v.data.data(), stride, keys, dim, other, isa);
        CHECK(std::memcmp(first, other, bytes) == 0);
      }
    }
  }
}

TEST_CASE("attention refuses shapes that disagree") {
  const nn::Executor one(1);
  nn::Workspace w;
  test::Owned q(4, 8), k(5, 8), v(6, 8), out(4, 8), wide(4, 600);
  const auto call = [&](test::Owned& values, size_t heads) {
    nn::attention(q.view(), k.view(), values.view(), heads, 1.0f, out.view(), one, w);
  };
  CHECK_THROWS_AS(call(v, 2), Error);
  CHECK_THROWS_AS(call(k, 3), Error);
  CHECK_THROWS_AS(call(k, 0), Error);
  CHECK_THROWS_AS(
      nn::attention(wide.view(), wide.view(), wide.view(), 2, 1.0f, wide.view(), one, w), Error);
  const std::vector<uint32_t> falls = {0, 3, 2, 4}, shorter = {0, 3};
  for (const auto& starts : {falls, shorter})
    CHECK_THROWS_AS(
        nn::attention(q.view(), q.view(), q.view(), 2, 1.0f, starts, out.view(), one, w), Error);
}

namespace {

/// What query i sees of the keys of its sequence [first, last), by the definition.
std::vector<size_t> seen(size_t i, size_t first, size_t last, const nn::Reach& reach,
                         const std::vector<uint32_t>& at, const std::vector<uint8_t>& hidden) {
  std::vector<size_t> keys;
  for (size_t c = first; c < last; ++c) {
    const bool before = at[c] <= at[i];
    const uint32_t distance = before ? at[i] - at[c] : at[c] - at[i];
    if (distance <= (before ? reach.back : reach.ahead) && (hidden.empty() || hidden[c] == 0))
      keys.push_back(c);
  }
  return keys;
}

}  // namespace

TEST_CASE("grouped attention with a reach and hidden keys: against double, same bits everywhere") {
  constexpr size_t heads = 4, kv_heads = 2, dim = 9, t = 700;
  auto q = test::random(t, heads * dim, 1), k = test::random(t, kv_heads * dim, 2, 1, 3),
       v = test::random(t, kv_heads * dim, 3);
  const std::vector<uint32_t> starts = {0, 1, 40, 40, t};
  std::vector<uint32_t> at(t);
  for (size_t s = 0; s + 1 < starts.size(); ++s)  // a gap after every seventh token
    for (uint32_t i = starts[s]; i < starts[s + 1]; ++i)
      at[i] = i - starts[s] + (i - starts[s]) / 7;
  std::vector<uint8_t> some(t), none;
  for (size_t i = 0; i < t; ++i) some[i] = i % 5 == 1 || (i > 100 && i < 420);
  const nn::Executor one(1), two(2);
  constexpr uint32_t all = nn::Reach::kAll;
  for (const nn::Reach reach :
       {nn::Reach{}, {all, 0}, {0, all}, {0, 0}, {4, 4}, {31, 0}, {300, 17}}) {
    for (const auto& hidden : {none, some}) {
      nn::Workspace workspace;
      test::Owned want(t, heads * dim);
      const nn::GroupedAttention kind{heads, kv_heads, 0.3f, reach};
      nn::attention(q.view(), k.view(), v.view(), kind, {starts, at, hidden}, want.view(), one,
                    workspace, quant::Isa::scalar);
      double worst = 0;
      for (size_t s = 0; s + 1 < starts.size(); ++s) {
        for (size_t i = starts[s]; i < starts[s + 1]; i += 3) {
          const auto keys = seen(i, starts[s], starts[s + 1], reach, at, hidden);
          for (size_t h = 0; h < heads; ++h) {
            const size_t from = h / (heads / kv_heads) * dim;
            std::vector<double> e;
            double total = 0;
            for (const size_t c : keys) {
              double dot = 0;
              for (size_t j = 0; j < dim; ++j)
                dot += static_cast<double>(q.at(i, h * dim + j)) * k.at(c, from + j);
              e.push_back(std::exp(dot * 0.3));
              total += e.back();
            }
            for (size_t j = 0; j < dim; ++j) {
              double sum = 0;
              for (size_t c = 0; c < keys.size(); ++c)
                sum += e[c] / total * v.at(keys[c], from + j);
              worst = test::worse(worst, std::fabs(want.at(i, h * dim + j) - sum));
            }
          }
        }
      }
      CHECK(worst <= tolerance(dim, t));
      for (const auto isa : test::isas()) {
        for (const auto* executor : {&one, &two}) {
          test::Owned y(t, heads * dim);
          nn::attention(q.view(), k.view(), v.view(), kind, {starts, at, hidden}, y.view(),
                        *executor, workspace, isa);
          CHECK(test::same_bits(y.data, want.data));
        }
      }
    }
  }
  nn::Workspace w;
  test::Owned y(t, heads * dim);
  const std::vector<uint32_t> few(3);
  CHECK_THROWS_AS(nn::attention(q.view(), k.view(), v.view(), {heads, 3, 1, {}}, {starts, at, {}},
                                y.view(), one, w),
                  Error);
  CHECK_THROWS_AS(nn::attention(q.view(), k.view(), v.view(), {heads, kv_heads, 1, {1, 1}},
                                {starts, few, {}}, y.view(), one, w),
                  Error);
}
