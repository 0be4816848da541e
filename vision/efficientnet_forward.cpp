#include <sterna/nn/linear.h>
#include <sterna/quant/error.h>
#include <sterna/vision/efficientnet.h>

#include <algorithm>

#include "conv_kernels.h"
#include "efficientnet_step.h"

namespace sterna::vision {

using nn::Executor;
using nn::Mat;
using nn::Workspace;

namespace {

constexpr SizeCheck expect{"efficientnet"};

}  // namespace

// Rows begin..end of ReLU6(conv 3x3 / 2 (pixels)).
void EfficientNet::open(const Opening& opening, size_t begin, size_t end, float* scratch,
                        float* y) const {
  const size_t first = opening.shape.first_row(begin), last = opening.shape.last_row(end);
  opening.pixels.rows(opening.pixels.of, first, last, scratch);
  kernels_->dense_relu6(opening.shape,
                        {scratch, first, conv_.data(), conv_bias_.data(), y, begin, end});
}

// All of them.
void EfficientNet::open(const Opening& opening, float* y, const Executor& executor,
                        Workspace& workspace) const {
  constexpr size_t kRows = 4;
  const Workspace::Frame frame(workspace);
  const size_t row = opening.shape.ow() * config_.width;
  const Mat<float> scratch =
      workspace.mat<float>(static_cast<size_t>(executor.threads()), opening.scratch(kRows));
  executor.for_ranges(opening.shape.oh(), kRows, [&](size_t slot, size_t begin, size_t end) {
    for (size_t r = begin; r < end; r += kRows)
      open(opening, r, std::min(end, r + kRows), scratch.row(slot), y + r * row);
  });
}

void EfficientNet::forward(Mat<const float> pixels, size_t h, size_t w, Mat<float> low,
                           Mat<float> head, const Executor& executor, Workspace& workspace) const {
  expect("pixels", h * w, pixels.rows);
  expect("colours", kColours, pixels.cols);
  const Mat<const float> rows(pixels.data, h, w * kColours);
  const auto copy = [](const void* of, size_t begin, size_t end, float* to) {
    const auto& from = *static_cast<const Mat<const float>*>(of);
    std::copy_n(from.row(begin), (end - begin) * from.cols, to);
  };
  forward(PixelRows{copy, &rows}, h, w, low, head, executor, workspace);
}

void EfficientNet::forward(const PixelRows& pixels, size_t h, size_t w, Mat<float> low,
                           Mat<float> head, const Executor& executor, Workspace& workspace) const {
  const auto side = [](size_t size, size_t stride) { return (size + stride - 1) / stride; };
  const bool keeps_low = low.rows > 0;
  if (keeps_low) {
    expect("places of the low map", side(h, low_stride_) * side(w, low_stride_), low.rows);
    expect("width of the low map", low_width(), low.cols);
  }
  expect("places of the head map", side(h, head_stride_) * side(w, head_stride_), head.rows);
  expect("width of the head map", config_.head_width, head.cols);
  const Workspace::Frame frame(workspace);

  const Opening opening{{h, w, kColours, kConvKernel, kConvStride, config_.width}, pixels};
  size_t oh = opening.shape.oh(), ow = opening.shape.ow();
  const bool opens = layers_[0].block.expand.m() == 0 && !layers_[0].residual;
  const auto step = [&](size_t i) {
    return Step{layers_[i], opens && i == 0 ? &opening : nullptr, oh, ow};
  };
  // What the first two blocks hand on is large, too: of large pictures a stripe of it at a time.
  const Step first = step(0);
  const bool stripes = opens && layers_.size() > 1 && !layers_[0].low && !layers_[1].low &&
                       first.stripes_with(first.then(layers_[1]));
  // What enters block i lies in room i % 2, but for what is worked out as it is needed.
  size_t most[] = {0, 0};
  const auto room = [&](size_t i, size_t floats) { most[i % 2] = std::max(most[i % 2], floats); };
  size_t a = oh, b = ow;
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (i >= (stripes ? 2U : opens ? 1U : 0U)) room(i, a * b * layers_[i].in);
    a = side(a, layers_[i].stride);
    b = side(b, layers_[i].stride);
  }
  room(layers_.size(), a * b * layers_.back().out);
  float* here = workspace.mat<float>(1, most[0]).data;
  float* there = workspace.mat<float>(1, most[1]).data;
  if (!opens) open(opening, here, executor, workspace);
  if (stripes) {
    const Step second = first.then(layers_[1]);
    striped(first, second, here, executor, workspace);
    oh = second.oh();
    ow = second.ow();
  }
  for (size_t next = stripes ? 2 : 0; next < layers_.size(); ++next) {
    const Step now = step(next);
    const Mat<const float> x(here, now.opening != nullptr ? 0 : oh * ow, now.layer.in);
    const Mat<float> y(there, now.oh() * now.ow(), now.layer.out);
    if (now.whole()) {
      whole(now, x, y, executor, workspace);
    } else {
      bands(now, {x, 0}, 0, y, executor, workspace);
    }
    if (now.layer.low && keeps_low) {
      for (size_t i = 0; i < y.rows; ++i) std::copy_n(y.row(i), y.cols, low.row(i));
    }
    std::swap(here, there);
    oh = now.oh();
    ow = now.ow();
  }

  // head = ReLU6(W x + b)
  nn::apply(head_, {here, oh * ow, head_.k()}, head, executor, workspace);
  for (size_t i = 0; i < head.rows; ++i) kernels_->relu6(head.row(i), head.cols);
}

}  // namespace sterna::vision
