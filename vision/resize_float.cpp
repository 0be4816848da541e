#include "resize_float.h"

#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

namespace sterna::vision {
namespace {

float bilinear(float x) {
  x = std::fabs(x);
  return x < 1.0F ? 1.0F - x : 0.0F;
}

float bicubic(float x) {  // Keys' convolution with a = -0.5
  constexpr float a = -0.5F;
  x = std::fabs(x);
  if (x < 1.0F) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2.0F) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0.0F;
}

/// The weights of one axis: output i takes `count[i]` inputs from `first[i]` on.
struct FloatAxis {
  size_t taps = 0;
  uint32_t* first = nullptr;  // [out]
  uint32_t* count = nullptr;  // [out]
  float* weight = nullptr;    // [out, taps]
};

template <class T>
T* take(nn::Workspace& w, size_t n) {
  return reinterpret_cast<T*>(w.bytes(n * sizeof(T)));
}

FloatAxis make_axis(size_t in, size_t out, bool cubic, nn::Workspace& workspace) {
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  const double reach = cubic ? 2.0 : 1.0;
  const auto support = static_cast<float>(scale >= 1.0F ? reach * scale : reach);
  const float inverse = scale >= 1.0F ? 1.0F / scale : 1.0F;
  FloatAxis axis;
  axis.taps = static_cast<size_t>(std::ceil(support)) * 2 + 1;
  axis.first = take<uint32_t>(workspace, out);
  axis.count = take<uint32_t>(workspace, out);
  axis.weight = take<float>(workspace, out * axis.taps);
  for (size_t i = 0; i < out; ++i) {
    const auto center = static_cast<float>(scale * (static_cast<double>(i) + 0.5));
    const auto low = static_cast<int64_t>(static_cast<double>(center - support) + 0.5);
    const auto high = static_cast<int64_t>(static_cast<double>(center + support) + 0.5);
    const int64_t first = std::max<int64_t>(low, 0);
    const auto count = static_cast<size_t>(
        std::clamp<int64_t>(std::min(high, static_cast<int64_t>(in)) - first, 0,
                            static_cast<int64_t>(axis.taps)));
    float* w = axis.weight + i * axis.taps;
    float total = 0;
    for (size_t t = 0; t < count; ++t) {
      const float offset = static_cast<float>(first + static_cast<int64_t>(t)) - center;
      const auto x = static_cast<float>((static_cast<double>(offset) + 0.5) * inverse);
      w[t] = cubic ? bicubic(x) : bilinear(x);
      total += w[t];
    }
    for (size_t t = 0; t < count && total != 0.0F; ++t) w[t] /= total;
    axis.first[i] = static_cast<uint32_t>(first);
    axis.count[i] = static_cast<uint32_t>(count);
  }
  return axis;
}

template <class F>
void over(const nn::Executor* executor, size_t n, size_t grain, F&& f) {
  if (executor != nullptr && executor->threads() > 1) {
    executor->for_ranges(n, grain, f);
  } else {
    f(size_t{0}, n);
  }
}

}  // namespace

void resize_float(const ImageView& rgb, std::span<const float, 256> value, size_t width,
                  size_t height, Filter filter, std::span<float> out, nn::Workspace& workspace,
                  const nn::Executor* executor) {
  if (filter != Filter::bilinear && filter != Filter::bicubic) {
    throw Error("resize of floats: expected bilinear or bicubic, found " +
                std::string(name(filter)));
  }
  const nn::Workspace::Frame frame(workspace);
  const bool cubic = filter == Filter::bicubic;
  const FloatAxis ax = make_axis(rgb.width, width, cubic, workspace);
  const FloatAxis ay = make_axis(rgb.height, height, cubic, workspace);
  auto* middle = take<float>(workspace, rgb.height * width * 3);  // [rows, columns, channels]
  over(executor, rgb.height, 16, [&](size_t begin, size_t end) {
    for (size_t y = begin; y < end; ++y) {
      const auto* row = static_cast<const uint8_t*>(rgb.data) + y * rgb.stride;
      float* to = middle + y * width * 3;
      for (size_t x = 0; x < width; ++x, to += 3) {
        const float* w = ax.weight + x * ax.taps;
        const uint8_t* from = row + size_t{3} * ax.first[x];
        float sum[3] = {0, 0, 0};
        for (size_t t = 0; t < ax.count[x]; ++t, from += 3) {
          for (size_t c = 0; c < 3; ++c) sum[c] += w[t] * value[from[c]];
        }
        std::copy_n(sum, 3, to);
      }
    }
  });
  over(executor, height, 8, [&](size_t begin, size_t end) {
    for (size_t y = begin; y < end; ++y) {
      const float* w = ay.weight + y * ay.taps;
      const float* from = middle + ay.first[y] * width * 3;
      for (size_t x = 0; x < width; ++x) {
        float sum[3] = {0, 0, 0};
        for (size_t t = 0; t < ay.count[y]; ++t) {
          for (size_t c = 0; c < 3; ++c) sum[c] += w[t] * from[(t * width + x) * 3 + c];
        }
        for (size_t c = 0; c < 3; ++c) out[(c * height + y) * width + x] = sum[c];
      }
    }
  });
}

}  // namespace sterna::vision
