#include "layout.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "scalar.h"

namespace sterna::predictor {

namespace {

struct Grid {
  std::span<const float> score;
  size_t rows, columns, absent;

  size_t places() const { return rows * columns; }
  /// Score of place i of the grid, which is not the absent one.
  float operator[](size_t i) const { return score[i < absent ? i : i - 1]; }

  float largest_about(size_t i) const {
    const size_t r = i / columns, c = i % columns;
    float most = (*this)[i];
    for (size_t y = r > 0 ? r - 1 : 0; y <= std::min(r + 1, rows - 1); ++y) {
      for (size_t x = c > 0 ? c - 1 : 0; x <= std::min(c + 1, columns - 1); ++x) {
        const size_t j = y * columns + x;
        if (j != absent) most = std::max(most, (*this)[j]);
      }
    }
    return most;
  }
};

float deviation(float squares, float mean) {
  return std::sqrt(std::max(squares - mean * mean, 1e-6F));
}

}  // namespace

void layout(std::span<const float> score, size_t columns, size_t absent, float* out) {
  std::fill_n(out, kLayout, 0.0F);
  if (columns == 0 || score.empty()) return;
  const size_t places = score.size() + (absent != SIZE_MAX ? 1 : 0);
  const Grid s{score, places / columns, columns, absent};
  const float most = *std::max_element(score.begin(), score.end());
  float sum = 0;
  for (const float x : score) sum += std::exp(x - most);

  float x = 0, y = 0, xx = 0, yy = 0, entropy = 0, peaks[3] = {};
  for (size_t i = 0; i < places; ++i) {
    if (i == absent) continue;
    const float relative = std::exp(s[i] - most), beta = relative / sum;
    const float column = middle(i % columns, columns), row = middle(i / columns, s.rows);
    x += beta * column, xx += beta * column * column;
    y += beta * row, yy += beta * row * row;
    entropy -= beta * std::log(std::max(beta, 1e-9F));
    const float top = std::exp(4 * (s[i] - s.largest_about(i)));
    peaks[0] += top / (1 + std::exp(-s[i]));
    peaks[1] += top * relative;
    peaks[2] += top * std::min(2 * relative, 1.0F);
  }
  out[0] = 5 * x;
  out[1] = 5 * y;
  out[2] = 4 * deviation(xx, x);
  out[3] = 4 * deviation(yy, y);
  out[4] = places > 1 ? entropy / std::log(static_cast<float>(places)) : 0.0F;
  std::copy_n(peaks, 3, out + 5);
}

}  // namespace sterna::predictor
