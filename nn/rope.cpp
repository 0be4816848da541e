#include <sterna/nn/rope.h>
#include <sterna/quant/error.h>

#include <cassert>
#include <cmath>
#include <numbers>
#include <string>

namespace sterna::nn {

void rotate(Mat<float> x, size_t heads, const Rotation& rotation, const Executor& executor) {
  const Mat<const float> cosines = rotation.cos, sines = rotation.sin;
  const size_t r = cosines.cols, half = r / 2, c = heads == 0 ? 0 : x.cols / heads;
  if (cosines.rows != x.rows || sines.rows != x.rows || sines.cols != r || r % 2 != 0 || r > c) {
    throw Error("rotation: expected angles of " + std::to_string(x.rows) + " tokens and at most " +
                std::to_string(c) + " columns, found [" + std::to_string(cosines.rows) + ", " +
                std::to_string(r) + "]");
  }
  const bool halves = rotation.pairing == Pairing::halves;
  const size_t grain = std::max<size_t>(1, 16384 / std::max<size_t>(1, x.cols));
  executor.for_ranges(x.rows, grain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const float *cos = cosines.row(i), *sin = sines.row(i);
      for (size_t h = 0; h < heads; ++h) {
        float* v = x.row(i) + h * c;
        for (size_t j = 0; j < half; ++j) {
          const size_t a = halves ? j : 2 * j, b = halves ? j + half : 2 * j + 1;
          const float first = v[a], second = v[b];
          v[a] = first * cos[a] - second * sin[a];
          v[b] = second * cos[b] + first * sin[b];
        }
      }
    }
  });
}

std::vector<float> rope_frequencies(size_t r, double base, const RopeScaling& s) {
  std::vector<float> frequencies(r / 2);
  const double low_wave = s.original_positions / s.low_freq_factor;
  const double high_wave = s.original_positions / s.high_freq_factor;
  for (size_t j = 0; j < frequencies.size(); ++j) {
    const float exponent = static_cast<float>(2 * j) / static_cast<float>(r);
    float f = 1.0F / std::pow(static_cast<float>(base), exponent);
    if (s.factor != 1) {
      const double wave = 2 * std::numbers::pi / static_cast<double>(f);
      const double smooth = (s.original_positions / wave - s.low_freq_factor) /
                            (s.high_freq_factor - s.low_freq_factor);
      const double long_wave = static_cast<double>(f) / s.factor;
      if (wave > low_wave) {
        f = static_cast<float>(long_wave);
      } else if (wave >= high_wave) {
        f = static_cast<float>((1 - smooth) * long_wave + smooth * static_cast<double>(f));
      }
    }
    frequencies[j] = f;
  }
  return frequencies;
}

void fill_rotation(std::span<const float> frequencies, std::span<const uint32_t> positions,
                   Pairing pairing, Mat<float> cos, Mat<float> sin) {
  const size_t f = frequencies.size();
  assert(cos.rows == positions.size() && sin.rows == cos.rows && cos.cols == 2 * f &&
         sin.cols == 2 * f);
  for (size_t i = 0; i < positions.size(); ++i) {
    for (size_t j = 0; j < f; ++j) {
      const double angle = static_cast<double>(static_cast<float>(positions[i]) * frequencies[j]);
      const size_t a = pairing == Pairing::halves ? j : 2 * j;
      const size_t b = pairing == Pairing::halves ? j + f : 2 * j + 1;
      cos.row(i)[a] = cos.row(i)[b] = static_cast<float>(std::cos(angle));
      sin.row(i)[a] = sin.row(i)[b] = static_cast<float>(std::sin(angle));
    }
  }
}

}  // namespace sterna::nn
