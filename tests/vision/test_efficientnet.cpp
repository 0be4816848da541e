#include <doctest/doctest.h>
#include <oneapi/tbb/global_control.h>
#include <sterna/quant/error.h>
#include <sterna/vision/efficientnet.h>
#include <tests/nn/common.h>
#include <tests/support/worse.h>
#include <vision/conv_kernels.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <list>
#include <vector>

using namespace sterna;
using vision::ConvStage;
using vision::EfficientNet;

namespace {

/// A stem with random weights, and its forward pass in double straight from the definition.
struct Stem {
  EfficientNet::Config config;
  EfficientNet::Weights weights;
  std::list<std::vector<float>> memory;  // never moves

  Stem(std::vector<ConvStage> stages, size_t width, size_t head) {
    config = {std::move(stages), width, head, 0};
    weights.conv = numbers(width * 27, 27);
    weights.conv_bias = numbers(width, 4);
    size_t in = width;
    for (const ConvStage& s : config.stages) {
      for (size_t r = 0; r < s.repeats; ++r, in = s.out) {
        EfficientNet::Block b;
        const size_t wide = in * s.expand;
        if (s.expand > 1) b.expand = linear(wide, in);
        b.depthwise = numbers(wide * s.kernel * s.kernel, s.kernel * s.kernel);
        b.depthwise_bias = numbers(wide, 4);
        b.project = linear(s.out, wide);
        weights.blocks.push_back(b);
      }
    }
    weights.head = linear(head, in);
  }

  std::span<const float> numbers(size_t n, size_t fan) {
    const auto seed = static_cast<unsigned>(memory.size());
    const float sigma = 1.4f / std::sqrt(static_cast<float>(fan));
    return memory.emplace_back(test::random(1, n, seed, sigma).data);
  }
  quant::Linear linear(size_t m, size_t k) {
    const auto w = numbers(m * k, k);
    return {{quant::Type::f32, m, k, std::as_bytes(w), {}, 0}, numbers(m, 4)};
  }
};

using Map = std::vector<double>;  // [h * w, c]

/// Weights of a Linear, by asking it for the images of unit vectors.
Map matrix(const quant::Linear& l, Map& bias) {
  const nn::Executor one(1);
  std::vector<std::byte> scratch(l.scratch_bytes(1) + 64);
  auto* p = scratch.data() + (64 - reinterpret_cast<uintptr_t>(scratch.data()) % 64) % 64;
  std::vector<float> x(l.k()), y(l.m());
  l.prepare(x.data(), l.k(), 1, p);
  l.run(p, 1, 0, l.m(), y.data(), l.m());
  bias.assign(y.begin(), y.end());
  Map w(l.m() * l.k());
  for (size_t j = 0; j < l.k(); ++j) {
    x[j] = 1;
    l.prepare(x.data(), l.k(), 1, p);
    l.run(p, 1, 0, l.m(), y.data(), l.m());
    x[j] = 0;
    for (size_t i = 0; i < l.m(); ++i) w[i * l.k() + j] = static_cast<double>(y[i]) - bias[i];
  }
  return w;
}

double relu6(double x) { return std::min(std::max(x, 0.0), 6.0); }

Map apply(const quant::Linear& l, const Map& x, bool clip) {
  Map bias;
  const Map w = matrix(l, bias);
  Map y(x.size() / l.k() * l.m());
  for (size_t t = 0; t < x.size() / l.k(); ++t) {
    for (size_t i = 0; i < l.m(); ++i) {
      double sum = bias[i];
      for (size_t j = 0; j < l.k(); ++j) sum += w[i * l.k() + j] * x[t * l.k() + j];
      y[t * l.m() + i] = clip ? relu6(sum) : sum;
    }
  }
  return y;
}

/// weight(m, ky, kx, c) with c running over `fan` inputs from channel first(m).
template <class Weight, class First>
Map convolve(const Map& x, size_t& h, size_t& w, size_t c, size_t kernel, size_t stride, size_t m,
             size_t fan, std::span<const float> bias, Weight weight, First first) {
  const vision::ConvShape s{h, w, c, kernel, stride, m};
  Map y(s.oh() * s.ow() * m);
  for (size_t oy = 0; oy < s.oh(); ++oy) {
    for (size_t ox = 0; ox < s.ow(); ++ox) {
      for (size_t o = 0; o < m; ++o) {
        double sum = bias[o];
        for (size_t ky = 0; ky < kernel; ++ky) {
          for (size_t kx = 0; kx < kernel; ++kx) {
            const size_t iy = oy * stride + ky - s.pad_top(), ix = ox * stride + kx - s.pad_left();
            if (iy >= h || ix >= w) continue;  // negative ones wrap to the far side
            for (size_t i = 0; i < fan; ++i) {
              sum += weight(o, ky, kx, i) * x[(iy * w + ix) * c + first(o) + i];
            }
          }
        }
        y[(oy * s.ow() + ox) * m + o] = relu6(sum);
      }
    }
  }
  h = s.oh();
  w = s.ow();
  return y;
}

void reference(const Stem& stem, const std::vector<float>& pixels, size_t h, size_t w, Map& low,
               Map& head) {
  const auto& conv = stem.weights.conv;
  Map x(pixels.begin(), pixels.end());
  x = convolve(
      x, h, w, 3, 3, 2, stem.config.width, 3, stem.weights.conv_bias,
      [&](size_t o, size_t ky, size_t kx, size_t i) {
        return static_cast<double>(conv[((o * 3 + ky) * 3 + kx) * 3 + i]);
      },
      [](size_t) { return size_t{0}; });
  size_t n = 0, in = stem.config.width;
  for (size_t s = 0; s < stem.config.stages.size(); ++s) {
    const ConvStage& stage = stem.config.stages[s];
    for (size_t r = 0; r < stage.repeats; ++r, ++n) {
      const auto& b = stem.weights.blocks[n];
      const size_t stride = r == 0 ? stage.stride : 1, wide = in * stage.expand, k = stage.kernel;
      Map u = stage.expand > 1 ? apply(b.expand, x, true) : x;
      u = convolve(
          u, h, w, wide, k, stride, wide, 1, b.depthwise_bias,
          [&](size_t o, size_t ky, size_t kx, size_t) {
            return static_cast<double>(b.depthwise[(o * k + ky) * k + kx]);
          },
          [](size_t o) { return o; });
      u = apply(b.project, u, false);
      if (stride == 1 && in == stage.out) {
        for (size_t i = 0; i < u.size(); ++i) u[i] += x[i];
      }
      x = std::move(u);
      in = stage.out;
    }
    if (s == stem.config.low_stage) low = x;
  }
  head = apply(stem.weights.head, x, true);
}

void compare(const std::vector<float>& got, const Map& want) {
  REQUIRE(got.size() == want.size());
  double worst = 0, largest = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    worst = test::worse(worst, std::fabs(static_cast<double>(got[i]) - want[i]));
    largest = std::max(largest, std::fabs(want[i]));
  }
  // Some forty roundings of sums of a few hundred terms a layer: far inside 1e-4 of the scale.
  CHECK(worst <= 1e-4 * largest);
}

/// A stem whose second stage, of 17 numbers a place, is the low one, at several sizes.
void compare(Stem& stem, std::initializer_list<std::array<size_t, 2>> sizes) {
  const oneapi::tbb::global_control workers(oneapi::tbb::global_control::max_allowed_parallelism,
                                            3);
  stem.config.low_stage = 1;
  const EfficientNet net(stem.config, stem.weights);
  for (const auto& size : sizes) {
    const size_t h = size[0], w = size[1];
    CAPTURE(h);
    const auto pixels = test::random(1, h * w * 3, 99).data;
    Map want_low, want_head;
    reference(stem, pixels, h, w, want_low, want_head);
    std::vector<float> first;
    for (const int threads : {1, 2, 3}) {
      const nn::Executor executor(threads);
      nn::Workspace workspace;
      std::vector<float> low(want_low.size()), head(want_head.size());
      net.forward({pixels.data(), h * w, 3}, h, w, {low.data(), low.size() / 17, 17},
                  {head.data(), head.size() / 23, 23}, executor, workspace);
      if (threads == 1) {
        compare(low, want_low);
        compare(head, want_head);
        first = head;
      }
      CHECK(test::same_bits(head, first));
      std::ranges::fill(head, 0.0F);
      net.forward({pixels.data(), h * w, 3}, h, w, {}, {head.data(), head.size() / 23, 23},
                  executor, workspace);
      CHECK(test::same_bits(head, first));
    }
  }
}

}  // namespace

TEST_CASE("stem against double: whole maps and bands, both kernels, strides, odd sizes, threads") {
  // The first stages are so wide that the tall picture is worked out in bands of a few rows.
  Stem stem({{3, 1, 1, 36, 36, 2}, {5, 2, 3, 36, 17, 2}, {3, 2, 2, 17, 20, 1}}, 36, 23);
  compare(stem, {{32, 32}, {1, 1}, {7, 45}, {187, 330}, {191, 330}});
}

TEST_CASE("stem against double: a first block that opens, alone and in stripes with the second") {
  // What lies between the two is 2 MB at the last size.
  Stem stem({{3, 1, 1, 24, 20, 1}, {5, 2, 3, 20, 17, 2}, {3, 2, 2, 17, 20, 1}}, 24, 23);
  compare(stem, {{32, 32}, {1, 1}, {7, 45}, {191, 90}, {331, 302}});
}

TEST_CASE("a stem whose shapes do not follow from its stage table is refused") {
  const auto refused = [](auto spoil) {
    Stem stem({{3, 1, 1, 8, 8, 1}, {5, 2, 3, 8, 12, 2}}, 8, 10);
    spoil(stem);
    CHECK_THROWS_AS(EfficientNet(stem.config, stem.weights), Error);
  };
  refused([](Stem& s) { s.config.stages[0].kernel = 7; });
  refused([](Stem& s) { s.config.stages[0].kernel = 5; });
  refused([](Stem& s) { s.config.stages[0].stride = 3; });
  refused([](Stem& s) { s.config.stages[1].in = 9; });
  refused([](Stem& s) { s.config.stages[1].out = 0; });
  refused([](Stem& s) { s.config.stages[1].repeats = 3; });
  refused([](Stem& s) { s.config.stages[1].repeats = 1; });
  refused([](Stem& s) { s.config.stages[0].expand = 2; });
  refused([](Stem& s) { s.config.low_stage = 2; });
  refused([](Stem& s) { s.config.stages.clear(); });
  refused([](Stem& s) { s.config.head_width = 11; });
  refused([](Stem& s) { s.weights.conv = s.weights.conv.first(7); });
  refused([](Stem& s) { s.weights.blocks.back().depthwise_bias = {}; });
  refused([](Stem& s) { s.weights.blocks.pop_back(); });
  refused([](Stem& s) { s.config.stages.resize(40, {3, 2, 1, 12, 12, 1}); });
}
