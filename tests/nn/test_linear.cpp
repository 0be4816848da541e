#include <doctest/doctest.h>
#include <sterna/nn/linear.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>
#include <tests/support/worse.h>

#include <cmath>

#include "common.h"

using namespace sterna;

TEST_CASE("apply: y = x W^T + b for any number of tokens and threads, without allocating") {
  const nn::Executor one(1), two(2);
  nn::Workspace workspace;
  for (const size_t k : std::initializer_list<size_t>{3, 64, 97}) {
    for (const size_t m : std::initializer_list<size_t>{1, 17, 200}) {
      auto w = test::random(m, k, 1);
      const auto bias = test::random(1, m, 2).data;
      const quant::WeightView view{quant::Type::f32, m, k, std::as_bytes(std::span(w.data)), {}, 0};
      const quant::Linear linear(view, bias);
      for (const size_t n : std::initializer_list<size_t>{1, 2, 127, 128, 129, 300}) {
        auto x = test::random(n, k, 3, 1.0f, 4);
        test::Owned a(n, m, 2), b(n, m, 2);
        nn::apply(linear, x.view(), a.view(), one, workspace);
        const size_t allocations = workspace.system_allocations();
        nn::apply(linear, x.view(), b.view(), two, workspace);
        CHECK(workspace.system_allocations() == allocations);
        CHECK(test::same_bits(a.data, b.data));
        double worst = 0.0;
        for (size_t i = 0; i < n; ++i) {
          for (size_t j = 0; j < m; ++j) {
            double sum = bias[j], size = std::fabs(bias[j]);
            for (size_t c = 0; c < k; ++c) {
              const double product = static_cast<double>(x.at(i, c)) * w.at(j, c);
              sum += product, size += std::fabs(product);
            }
            worst = test::worse(worst, std::fabs(a.at(i, j) - sum) / size);
          }
        }
        CHECK(worst <= std::ldexp(static_cast<double>(k + 2), -24));
      }
    }
  }
}

TEST_CASE("apply_through: bit for bit the maps one by one, ragged, gated or not, y over x") {
  const nn::Executor one(1), two(2);
  nn::Workspace workspace;
  struct Shape {
    size_t n, k, f, m;
  };
  const auto map = [](quant::Type type, const quant::Packed& p, size_t m, size_t k,
                      quant::Isa isa) {
    return quant::Linear(quant::WeightView{type, m, k, p.data, p.scale, 0}, {}, isa);
  };
  for (const auto& [n, k, f, m] : {Shape{1, 5, 7, 3}, Shape{17, 40, 33, 40},
                                   Shape{300, 64, 1031, 64}, Shape{700, 16, 4000, 16}}) {
    for (const quant::Type down_type : {quant::Type::bf16, quant::Type::i8}) {
      const auto up = quant::pack(quant::Type::bf16, test::random(f, k, 1).data, f, k);
      const auto gate = quant::pack(quant::Type::bf16, test::random(f, k, 2).data, f, k);
      const auto down = quant::pack(down_type, test::random(m, f, 3).data, m, f);
      for (const auto isa : test::isas()) {
        const quant::Linear u = map(quant::Type::bf16, up, f, k, isa);
        const quant::Linear g = map(quant::Type::bf16, gate, f, k, isa);
        const quant::Linear d = map(down_type, down, m, f, isa);
        const auto then = nn::rounded_activation(nn::Activation::silu, isa);
        auto x = test::random(n, k, 4, 1.0f, 3);
        for (const bool gated : {false, true}) {
          test::Owned h(n, f), up_x(n, f), want(n, m), y(n, m, 5);
          nn::apply(gated ? g : u, x.view(), h.view(), one, workspace);
          nn::apply(u, x.view(), up_x.view(), one, workspace);
          for (size_t i = 0; i < n; ++i) then(&h.at(i, 0), f, &h.at(i, 0));
          if (gated) nn::multiply(up_x.view(), h.view(), one, isa);
          nn::apply(d, h.view(), want.view(), one, workspace);
          const nn::Hidden hidden{&u, gated ? &g : nullptr, then};
          const bool does =
              nn::apply_through(hidden, d, x.view(), y.view(), one, workspace, isa);
          CHECK(does == d.prepares_inputs());
          if (!does) continue;
          CHECK(std::equal(want.data.begin(), want.data.begin() + static_cast<ptrdiff_t>(m),
                           y.data.begin()));
          test::Owned over = x;  // y over x, where both are as wide
          if (m == k) {
            nn::apply_through(hidden, d, over.view(), over.view(), two, workspace, isa);
            const size_t allocations = workspace.system_allocations();
            nn::apply_through(hidden, d, x.view(), y.view(), two, workspace, isa);
            CHECK(workspace.system_allocations() == allocations);
          }
          for (size_t i = 0; i < n; ++i) {
            for (size_t j = 0; j < m; ++j) {
              CHECK_MESSAGE(y.at(i, j) == want.at(i, j), i, ", ", j);
              if (m == k) CHECK(over.at(i, j) == want.at(i, j));
            }
          }
        }
      }
    }
  }
}

TEST_CASE("apply: several maps of the same x give what each gives alone, whatever they share") {
  constexpr size_t k = 97;
  const nn::Executor one(1), two(2);
  struct Map {
    quant::Type type;
    size_t m, group;
  };
  for (const auto isa : test::isas()) {
    std::vector<quant::Packed> packed;
    std::vector<quant::Linear> maps;
    const std::vector<Map> kinds = {{quant::Type::bf16, 200, 0}, {quant::Type::bf16, 17, 0},
                                    {quant::Type::i8, 33, 0},    {quant::Type::t5, 40, 0},
                                    {quant::Type::t5, 40, 64},   {quant::Type::i8, 1, 0}};
    for (const Map& kind : kinds)
      packed.push_back(quant::pack(kind.type, test::random(kind.m, k, 7).data, kind.m, k,
                                   kind.group));
    for (size_t i = 0; i < kinds.size(); ++i)
      maps.emplace_back(quant::WeightView{kinds[i].type, kinds[i].m, k, packed[i].data,
                                          packed[i].scale, kinds[i].group},
                        std::span<const float>(), isa);
    nn::Workspace workspace;
    for (const size_t n : std::initializer_list<size_t>{1, 16, 131, 300}) {
      auto x = test::random(n, k, 3, 1.0f, 4);
      std::vector<test::Owned> ys;
      std::vector<nn::Product> products;
      for (const Map& kind : kinds) ys.emplace_back(n, kind.m, 2);
      for (size_t i = 0; i < maps.size(); ++i) products.push_back({&maps[i], ys[i].view()});
      nn::apply(products, x.view(), two, workspace);
      for (size_t i = 0; i < maps.size(); ++i) {
        test::Owned alone(n, kinds[i].m, 2);
        nn::apply(maps[i], x.view(), alone.view(), one, workspace);
        CHECK(test::same_bits(ys[i].data, alone.data));
      }
    }
  }
}

TEST_CASE("apply refuses shapes that disagree") {
  auto w = test::random(4, 8, 1);
  const quant::WeightView view{quant::Type::f32, 4, 8, std::as_bytes(std::span(w.data)), {}, 0};
  const quant::Linear linear(view);
  const nn::Executor one(1);
  nn::Workspace workspace;
  test::Owned x(3, 7), y(3, 4), z(3, 8), short_y(2, 4);
  CHECK_THROWS_WITH_AS(nn::apply(linear, x.view(), y.view(), one, workspace),
                       "linear map [4, 8]: expected x [3, 8] and y [3, 4], found x [3, 7] and y "
                       "[3, 4]",
                       Error);
  CHECK_THROWS_AS(nn::apply(linear, z.view(), short_y.view(), one, workspace), Error);
}
