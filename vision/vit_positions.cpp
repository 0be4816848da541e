#include "vit_positions.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace sterna::vision {

namespace {

/// Four neighbours along one axis and their weights.
struct Taps {
  std::array<size_t, 4> at;
  std::array<float, 4> weight;
};

Taps taps(size_t i, size_t from, size_t to) {
  constexpr float kA = -0.75F;
  const float scale = static_cast<float>(from) / static_cast<float>(to);
  const float x = scale * (static_cast<float>(i) + 0.5F) - 0.5F;
  const float below = std::floor(x), t = x - below;
  const auto near = [](float u) { return ((kA + 2) * u - (kA + 3)) * u * u + 1; };
  const auto far = [](float u) { return ((kA * u - 5 * kA) * u + 8 * kA) * u - 4 * kA; };
  Taps r{{}, {far(t + 1), near(t), near(1 - t), far(2 - t)}};
  for (int k = 0; k < 4; ++k) {
    const auto at = static_cast<long>(below) + k - 1;
    r.at[static_cast<size_t>(k)] =
        static_cast<size_t>(std::clamp<long>(at, 0, static_cast<long>(from) - 1));
  }
  return r;
}

}  // namespace

void interpolate_positions(nn::Mat<const float> table, size_t grid, size_t rows, size_t cols,
                           nn::Mat<float> out) {
  for (size_t y = 0; y < rows; ++y) {
    const Taps down = taps(y, grid, rows);
    for (size_t x = 0; x < cols; ++x) {
      const Taps across = taps(x, grid, cols);
      float* to = out.row(y * cols + x);
      for (size_t j = 0; j < table.cols; ++j) {
        float sum = 0;
        for (size_t a = 0; a < 4; ++a) {
          float line = 0;
          for (size_t b = 0; b < 4; ++b)
            line += across.weight[b] * table.row(down.at[a] * grid + across.at[b])[j];
          sum += down.weight[a] * line;
        }
        to[j] = sum;
      }
    }
  }
}

size_t video_rope_columns(size_t c) { return 3 * (2 * ((c / 3) / 2)); }

void fill_video_rope(const VideoRope& rope, nn::Mat<float> cos, nn::Mat<float> sin) {
  const size_t half = (rope.head / 3) / 2, g = rope.grid;
  for (size_t i = 0; i < cos.rows; ++i) {
    const std::array<size_t, 3> place = {i / (g * g), i % (g * g) / g, i % g};
    for (size_t axis = 0; axis < 3; ++axis) {
      for (size_t k = 0; k < half; ++k) {
        const float exponent = static_cast<float>(k) / static_cast<float>(half);
        const float omega = 1.0F / std::pow(10000.0F, exponent);
        const double angle = static_cast<double>(static_cast<float>(place[axis]) * omega);
        for (const size_t column : {2 * axis * half + k, (2 * axis + 1) * half + k}) {
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
