#include <doctest/doctest.h>
#include <tests/nn/common.h>
#include <vision/conv_kernels.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

using namespace sterna;
using vision::ConvKernels;
using vision::ConvRows;
using vision::ConvShape;

namespace {

std::vector<float> noise(size_t n, unsigned seed) { return test::random(1, n, seed, 2.0f).data; }

/// One output of a convolution with SAME padding in double, and the bound on what float may differ:
/// every fused multiply-add rounds a partial sum, which never exceeds the sum of magnitudes.
struct Expected {
  double value, bound;
};

Expected at(const ConvShape& s, bool depthwise, const float* x, const float* w, const float* bias,
            size_t oy, size_t ox, size_t m) {
  double sum = bias[m], magnitude = std::fabs(bias[m]);
  for (size_t ky = 0; ky < s.kernel; ++ky) {
    for (size_t kx = 0; kx < s.kernel; ++kx) {
      const auto y = static_cast<long>(oy * s.stride + ky) - static_cast<long>(s.pad_top());
      const auto col = static_cast<long>(ox * s.stride + kx) - static_cast<long>(s.pad_left());
      if (y < 0 || col < 0 || y >= static_cast<long>(s.h) || col >= static_cast<long>(s.w))
        continue;
      const size_t pixel = static_cast<size_t>(y) * s.w + static_cast<size_t>(col);
      for (size_t c = depthwise ? m : 0; c < (depthwise ? m + 1 : s.c); ++c) {
        const size_t tap = ky * s.kernel + kx;
        const double weight = depthwise ? w[tap * s.c + c] : w[(tap * s.c + c) * s.m + m];
        const double product = weight * static_cast<double>(x[pixel * s.c + c]);
        sum += product;
        magnitude += std::fabs(product);
      }
    }
  }
  const double steps = static_cast<double>(s.kernel * s.kernel * (depthwise ? 1 : s.c));
  return {std::min(std::max(sum, 0.0), 6.0),
          steps * std::numeric_limits<float>::epsilon() * magnitude};
}

void check(const ConvShape& s, bool depthwise) {
  CAPTURE(s.h);
  CAPTURE(s.w);
  CAPTURE(s.c);
  CAPTURE(s.m);
  CAPTURE(s.kernel);
  CAPTURE(s.stride);
  const auto x = noise(s.h * s.w * s.c, 1);
  const auto w = noise(s.kernel * s.kernel * (depthwise ? s.c : s.c * s.m), 2);
  const auto bias = noise(s.m, 3);
  const auto run = [&](const ConvKernels& k, const ConvRows& rows) {
    depthwise ? k.depthwise_relu6(s, rows) : k.dense_relu6(s, rows);
  };

  std::vector<float> whole(s.oh() * s.ow() * s.m);
  run(*vision::conv_kernels_scalar(),
      {x.data(), 0, w.data(), bias.data(), whole.data(), 0, s.oh()});
  size_t wrong = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    const Expected e = at(s, depthwise, x.data(), w.data(), bias.data(), i / s.m / s.ow(),
                          i / s.m % s.ow(), i % s.m);
    if (!(std::fabs(static_cast<double>(whole[i]) - e.value) <= e.bound)) ++wrong;
  }
  CHECK(wrong == 0);

  for (const auto isa : test::isas()) {
    const ConvKernels* k = vision::conv_kernels(isa);
    REQUIRE(k != nullptr);
    std::vector<float> y(whole.size(), -1.0f);
    run(*k, {x.data(), 0, w.data(), bias.data(), y.data(), 0, s.oh()});
    CHECK_MESSAGE(test::same_bits(y, whole), quant::name(isa));

    // The same rows one by one, from input bands copied out of the picture: nothing outside the
    // band may be read (the sanitised build sees it).
    std::vector<float> rows;
    for (size_t r = 0; r < s.oh(); ++r) {
      const size_t first = s.first_row(r), last = s.last_row(r + 1);
      const std::vector<float> band(x.begin() + static_cast<long>(first * s.w * s.c),
                                    x.begin() + static_cast<long>(last * s.w * s.c));
      std::vector<float> row(s.ow() * s.m);
      run(*k, {band.data(), first, w.data(), bias.data(), row.data(), r, r + 1});
      rows.insert(rows.end(), row.begin(), row.end());
    }
    CHECK_MESSAGE(test::same_bits(rows, whole), quant::name(isa));
  }
}

}  // namespace

TEST_CASE("SAME padding is TensorFlow's") {
  // tf.nn: pad = max((ceil(n / s) - 1) s + k - n, 0), the smaller half first.
  CHECK(ConvShape::out(224, 2) == 112);
  CHECK(ConvShape::out(7, 2) == 4);
  CHECK(ConvShape::pad(224, 3, 2) == 0);  // one column, to the right
  CHECK(ConvShape::pad(225, 3, 2) == 1);
  CHECK(ConvShape::pad(56, 5, 2) == 1);
  CHECK(ConvShape::pad(56, 5, 1) == 2);
  CHECK(ConvShape::pad(1, 3, 2) == 1);
}

TEST_CASE("depthwise convolution: against double, same bits on every ISA, ragged sizes, bands") {
  const size_t sizes[][2] = {{1, 1}, {1, 9}, {9, 1}, {2, 3}, {5, 4}, {7, 7}, {8, 13}, {13, 11}};
  for (const auto& [h, w] : sizes) {
    for (const size_t c : {1U, 3U, 4U, 15U, 16U, 17U, 33U}) {
      for (const size_t kernel : {3U, 5U}) {
        for (const size_t stride : {1U, 2U}) check({h, w, c, kernel, stride, c}, true);
      }
    }
  }
}

TEST_CASE("dense convolution: against double, same bits on every ISA, ragged sizes, bands") {
  const size_t sizes[][2] = {{1, 1}, {2, 2}, {3, 20}, {17, 6}, {9, 39}};
  for (const auto& [h, w] : sizes) {
    for (const size_t m : {1U, 7U, 8U, 16U, 20U, 32U}) check({h, w, 3, 3, 2, m}, false);
    check({h, w, 2, 5, 1, 9}, false);
  }
}

TEST_CASE("relu6 and add: every ISA, ragged lengths, special values") {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const auto isa : test::isas()) {
    const ConvKernels& k = *vision::conv_kernels(isa);
    for (size_t n = 0; n < 40; ++n) {
      auto x = noise(n, 4);
      for (float& v : x) v *= 3.0f;
      if (n > 4) x[0] = inf, x[1] = -inf, x[2] = nan, x[3] = -0.0f, x[4] = 6.0f;
      auto y = x;
      k.relu6(y.data(), n);
      bool good = true;
      for (size_t i = 0; i < n; ++i) {
        const float want = x[i] > 0 ? std::min(x[i], 6.0f) : 0.0f;
        good = good && y[i] == want;
      }
      CHECK(good);
      const auto a = noise(n, 5), b = noise(n, 6);
      auto sum = a;
      k.add(sum.data(), b.data(), n);
      for (size_t i = 0; i < n; ++i) good = good && sum[i] == a[i] + b[i];
      CHECK(good);
    }
  }
}
