#include "vit_positions.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace sterna::vision {

namespace {

/// One output's inputs along an axis, [first, first + count), and what each counts. Inputs beyond
/// the border are those at it.
struct Taps {
  long first = 0;
  size_t count = 0;
};

/// Cubic convolution (Keys 1981): a = -0.75 in torch's plain mode, -0.5 in its antialiased one.
float cubic(float x, float a) {
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0.0F;
}

Taps plain_taps(size_t i, size_t from, size_t to, float* weight) {
  constexpr float kA = -0.75F;
  const float scale = static_cast<float>(from) / static_cast<float>(to);
  const float x = scale * (static_cast<float>(i) + 0.5F) - 0.5F;
  const float below = std::floor(x), t = x - below;
  const std::array<float, 4> away = {t + 1, t, 1 - t, 2 - t};
  for (size_t k = 0; k < 4; ++k) weight[k] = cubic(away[k], kA);
  return {static_cast<long>(below) - 1, 4};
}

Taps wide_taps(size_t i, size_t from, size_t to, bool is_cubic, float* weight) {
  const float scale = static_cast<float>(from) / static_cast<float>(to);
  const float wide = std::max(scale, 1.0F), reach = (is_cubic ? 2.0F : 1.0F) * wide;
  const float centre = scale * (static_cast<float>(i) + 0.5F);
  const long first = std::max(static_cast<long>(centre - reach + 0.5F), 0L);
  const long end = std::min(static_cast<long>(centre + reach + 0.5F), static_cast<long>(from));
  const auto count = static_cast<size_t>(end - first);
  float sum = 0;
  for (size_t k = 0; k < count; ++k) {
    const float x = (static_cast<float>(first + static_cast<long>(k)) - centre + 0.5F) / wide;
    weight[k] = is_cubic ? cubic(x, -0.5F) : std::max(0.0F, 1 - std::abs(x));
    sum += weight[k];
  }
  for (size_t k = 0; k < count; ++k) weight[k] /= sum;
  return {first, count};
}

/// y = x resampled along one axis of `from` places to `to`: x holds lines x from x each numbers, y
/// lines x to x each. `weight` has room for from + 4.
void resample_axis(const float* x, size_t lines, size_t from, size_t each, PositionFilter filter,
                   size_t to, float* y, float* weight) {
  for (size_t i = 0; i < to; ++i) {
    const Taps taps =
        filter == PositionFilter::cubic
            ? plain_taps(i, from, to, weight)
            : wide_taps(i, from, to, filter == PositionFilter::cubic_antialias, weight);
    for (size_t line = 0; line < lines; ++line) {
      float* out = y + (line * to + i) * each;
      std::fill_n(out, each, 0.0F);
      for (size_t k = 0; k < taps.count; ++k) {
        const long at = taps.first + static_cast<long>(k), last = static_cast<long>(from) - 1;
        const float* in = x + (line * from + static_cast<size_t>(std::clamp(at, 0L, last))) * each;
        for (size_t j = 0; j < each; ++j) out[j] += weight[k] * in[j];
      }
    }
  }
}

}  // namespace

void interpolate_positions(nn::Mat<const float> table, size_t grid, PositionFilter filter,
                           size_t rows, size_t cols, nn::Mat<float> out, nn::Workspace& workspace) {
  const nn::Workspace::Frame frame(workspace);
  const auto wide = workspace.mat<float>(grid * cols, table.cols);
  float* weight = workspace.mat<float>(1, grid + 4).data;
  resample_axis(table.data, grid, grid, table.cols, filter, cols, wide.data, weight);
  resample_axis(wide.data, 1, grid, cols * table.cols, filter, rows, out.data, weight);
}

size_t video_rope_columns(size_t c) { return 3 * (2 * ((c / 3) / 2)); }

void fill_video_rope(const VideoRope& rope, size_t rows, size_t cols,
                     std::span<const uint32_t> tokens, nn::Mat<float> cos, nn::Mat<float> sin) {
  const size_t half = (rope.head / 3) / 2;
  if (rope.stretched == 0) rows = cols = rope.grid;
  const auto stretched = [&](size_t at, size_t count) {
    const auto place = static_cast<float>(at);
    if (rope.stretched == 0 || count < 2) return place;
    return place * static_cast<float>(rope.stretched - 1) / static_cast<float>(count - 1);
  };
  for (size_t i = 0; i < tokens.size(); ++i) {
    const size_t token = tokens[i];
    const std::array<float, 3> place = {static_cast<float>(token / (rows * cols)),
                                        stretched(token % (rows * cols) / cols, rows),
                                        stretched(token % cols, cols)};
    for (size_t axis = 0; axis < 3; ++axis) {
      for (size_t k = 0; k < half; ++k) {
        const float exponent = static_cast<float>(k) / static_cast<float>(half);
        const float omega = 1.0F / std::pow(10000.0F, exponent);
        const double angle = static_cast<double>(place[axis] * omega);
        const size_t first = 2 * axis * half + (rope.paired ? 2 * k : k);
        for (const size_t column : {first, first + (rope.paired ? 1 : half)}) {
          cos.row(i)[column] = static_cast<float>(std::cos(angle));
          sin.row(i)[column] = static_cast<float>(std::sin(angle));
        }
      }
    }
  }
}

void fill_plane_rope(const PlaneRope& rope, size_t rows, size_t cols, nn::Mat<float> cos,
                     nn::Mat<float> sin) {
  const size_t quarter = rope.head / 4, n = rows * cols;
  const auto centre = [](size_t at, size_t count) {
    return 2.0F * ((static_cast<float>(at) + 0.5F) / static_cast<float>(count)) - 1.0F;
  };
  for (size_t i = 0; i < cos.rows; ++i) {
    const size_t place = i % n;
    const std::array<float, 2> at = {centre(place / cols, rows), centre(place % cols, cols)};
    for (size_t axis = 0; axis < 2; ++axis) {
      for (size_t j = 0; j < quarter; ++j) {
        const float exponent = static_cast<float>(4 * j) / static_cast<float>(rope.head);
        const float frequency = 1.0F / std::pow(static_cast<float>(rope.base), exponent);
        const double angle =
            static_cast<double>(static_cast<float>(2 * std::numbers::pi) * at[axis] * frequency);
        for (const size_t half : {size_t{0}, 2 * quarter}) {
          cos.row(i)[half + axis * quarter + j] = static_cast<float>(std::cos(angle));
          sin.row(i)[half + axis * quarter + j] = static_cast<float>(std::sin(angle));
        }
      }
    }
  }
}

}  // namespace sterna::vision
