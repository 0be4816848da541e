#include "axis.h"

#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

namespace sterna::vision {
namespace {

struct FilterKernel {
  double (*value)(double x);
  double support;
};

double box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

double bilinear(double x) {
  x = std::fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double hamming(double x) {
  x = std::fabs(x);
  if (x == 0.0) return 1.0;
  if (x >= 1.0) return 0.0;
  x = x * std::numbers::pi;
  return std::sin(x) / x * (0.54F + 0.46F * std::cos(x));  // floats, as Pillow writes them
}

double bicubic(double x) {  // Keys' convolution with a = -0.5
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x = x * std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos(double x) { return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

FilterKernel kernel_of(Filter filter) noexcept {
  switch (filter) {
    case Filter::nearest:  // has places, not weights
    case Filter::box:
      return {box, 0.5};
    case Filter::bilinear:
      return {bilinear, 1.0};
    case Filter::hamming:
      return {hamming, 1.0};
    case Filter::bicubic:
      return {bicubic, 2.0};
    case Filter::lanczos:
      return {lanczos, 3.0};
  }
  return {bicubic, 2.0};
}

template <class T>
T* take(nn::Workspace& w, size_t n) {
  return reinterpret_cast<T*>(w.bytes(n * sizeof(T)));
}

/// Fractional bits of weights in 16 bits of which none exceeds `largest`
/// (compute_index_ranges_int16_weights in ATen's UpSampleKernel.cpp).
int torch_precision(double largest) {
  int bits = 0;
  while (bits < kPrecision && static_cast<int>(0.5 + largest * (1 << (bits + 1))) < (1 << 15)) {
    ++bits;
  }
  return bits;
}

}  // namespace

Axis make_axis(size_t in, size_t out, size_t begin, size_t n, Filter filter, Rounding rounding,
               const ResampleKernels& kernels, nn::Workspace& workspace) {
  const FilterKernel f = kernel_of(filter);
  const double scale = static_cast<double>(static_cast<float>(in)) / static_cast<double>(out);
  const double filter_scale = std::max(scale, 1.0);
  const double support = f.support * filter_scale;
  const auto taps = static_cast<size_t>(std::ceil(support)) * 2 + 1;

  Axis axis;
  axis.size = n;
  axis.groups = (std::min(taps, in) + kTapGroup - 1) / kTapGroup;
  axis.words = kernels.words;
  axis.first = take<int32_t>(workspace, n);
  axis.count = take<int32_t>(workspace, n);
  axis.packed = take<int32_t>(workspace, n * axis.groups * axis.words);
  const nn::Workspace::Frame scratch(workspace);
  auto* value = take<double>(workspace, taps);
  auto* weight = take<int32_t>(workspace, axis.groups * kTapGroup);

  const double inverse = 1.0 / filter_scale;
  const auto limit = static_cast<int64_t>(in);
  struct Taps {
    int64_t first;
    size_t count;
  };
  // The order of every operation is precompute_coeffs' and normalize_coeffs_8bpc's.
  const auto weigh = [&](size_t output) -> Taps {
    const double center = (static_cast<double>(output) + 0.5) * scale;
    const auto first = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
    const auto last = std::min<int64_t>(static_cast<int64_t>(center + support + 0.5), limit);
    const auto count = static_cast<size_t>(std::max<int64_t>(last - first, 0));
    double total = 0.0;
    for (size_t t = 0; t < count; ++t) {
      const double x = static_cast<double>(static_cast<int64_t>(t) + first);
      value[t] = f.value((x - center + 0.5) * inverse);
      total += value[t];
    }
    for (size_t t = 0; t < count && total != 0.0; ++t) value[t] /= total;
    return {first, count};
  };
  int precision = kPrecision;
  if (rounding == Rounding::torch) {
    double largest = 0.0;
    for (size_t i = 0; i < out; ++i) {
      const Taps t = weigh(i);
      largest = std::max(largest, *std::max_element(value, value + t.count));
    }
    precision = torch_precision(largest);
  }
  for (size_t i = 0; i < n; ++i) {
    const auto [first, count] = weigh(begin + i);
    std::fill_n(weight, axis.groups * kTapGroup, 0);
    for (size_t t = 0; t < count; ++t) {
      const double fixed = value[t] * (1 << precision);
      weight[t] = static_cast<int32_t>(value[t] < 0 ? -0.5 + fixed : 0.5 + fixed) *
                  (1 << (kPrecision - precision));
    }
    axis.first[i] = static_cast<int32_t>(first);
    axis.count[i] = static_cast<int32_t>(count);
    for (size_t g = 0; g < axis.groups; ++g) {
      kernels.pack(weight + g * kTapGroup, axis.packed + (i * axis.groups + g) * axis.words);
    }
  }
  return axis;
}

void nearest_places(size_t in, size_t out, std::span<uint32_t> places) {
  const double step = static_cast<double>(in) / static_cast<double>(out);
  double at = step * 0.5;
  for (size_t i = 0; i < out; ++i, at += step) {
    places[i] = static_cast<uint32_t>(std::min(static_cast<size_t>(at), in - 1));
  }
}

std::string_view name(Filter filter) noexcept {
  switch (filter) {
    case Filter::nearest:
      return "nearest";
    case Filter::box:
      return "box";
    case Filter::bilinear:
      return "bilinear";
    case Filter::hamming:
      return "hamming";
    case Filter::bicubic:
      return "bicubic";
    case Filter::lanczos:
      return "lanczos";
  }
  return "?";
}

Filter parse_filter(std::string_view text) {
  std::string known;
  for (Filter f : {Filter::nearest, Filter::box, Filter::bilinear, Filter::hamming, Filter::bicubic,
                   Filter::lanczos}) {
    if (text == name(f)) return f;
    known += (known.empty() ? "" : ", ") + std::string(name(f));
  }
  throw Error("resize filter: expected one of " + known + ", found \"" + std::string(text) + '"');
}

}  // namespace sterna::vision
