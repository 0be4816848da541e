#include <sterna/nn/linear.h>
#include <sterna/quant/error.h>
#include <sterna/vision/efficientnet.h>

#include <algorithm>

#include "conv_kernels.h"

namespace sterna::vision {

using nn::Executor;
using nn::Mat;
using nn::Workspace;

namespace {

constexpr size_t kConvKernel = 3, kConvStride = 2, kColours = 3;

// The wide middle of a block is worked out in bands of about this many bytes, so that it is read
// back from a core's own cache (1-2 MiB of L2 on today's servers, shared with weights and output).
constexpr size_t kBandBytes = size_t{320} << 10;
// A band's middle keeps the rows that it shares with the one before: few rows at a time would be
// copied as often as they are worked out.
constexpr size_t kBandRows = 4;  // of output, at least

// Of what the first block hands to the second no more than this lies in memory.
constexpr size_t kStripeBytes = size_t{1400} << 10;

constexpr SizeCheck expect{"efficientnet"};

}  // namespace

/// The first convolution. Its output is the largest map of all: where the first block does nothing
/// before its depthwise one, it is worked out band by band and never lies in memory whole.
struct EfficientNet::Opening {
  ConvShape shape;
  PixelRows pixels;

  /// Floats of the pixels that n rows of output read, at most.
  size_t scratch(size_t n) const {
    return ((n - 1) * kConvStride + kConvKernel) * shape.w * kColours;
  }
};

/// An inverted residual at one place of the network: its input map is h x w.
struct EfficientNet::Step {
  const Layer& layer;
  const Opening* opening;  // in the place of x, or nullptr
  size_t h, w;
  ConvShape shape{h, w, layer.wide, layer.kernel, layer.stride, layer.wide};

  size_t oh() const { return shape.oh(); }
  size_t ow() const { return shape.ow(); }
  /// Rows of the wide middle in a band.
  size_t rows() const {
    return std::max(kBandBytes / (w * layer.wide * sizeof(float)),
                    layer.kernel + (kBandRows - 1) * layer.stride);
  }
  bool whole() const { return 2 * rows() >= h; }
};

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
                       !first.whole() &&
                       first.oh() * first.ow() * layers_[0].out * sizeof(float) > kStripeBytes &&
                       !Step{layers_[1], nullptr, first.oh(), first.ow()}.whole();
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
    const Step second{layers_[1], nullptr, first.oh(), first.ow()};
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

// Two blocks after one another, stripe by stripe of the second's output rows. The rows of what lies
// between them that two stripes share are worked out twice.
void EfficientNet::striped(const Step& first, const Step& second, float* y,
                           const Executor& executor, Workspace& workspace) const {
  const size_t row = first.ow() * first.layer.out, most = kStripeBytes / (row * sizeof(float));
  const size_t out = std::max<size_t>(
      1, (std::max(most, second.layer.kernel) - second.layer.kernel) / second.layer.stride + 1);
  for (size_t begin = 0; begin < second.oh(); begin += out) {
    const Workspace::Frame frame(workspace);
    const size_t end = std::min(second.oh(), begin + out);
    const size_t x0 = second.shape.first_row(begin), x1 = second.shape.last_row(end);
    const Mat<float> x = workspace.mat<float>((x1 - x0) * first.ow(), first.layer.out);
    bands(first, {}, x0, x, executor, workspace);
    const size_t to = begin * second.ow() * second.layer.out;
    bands(second, {x, x0}, begin, {y + to, (end - begin) * second.ow(), second.layer.out}, executor,
          workspace);
  }
}

// An inverted residual (Sandler et al., arXiv 1801.04381):
//   u = ReLU6(W_expand x + b);  v = ReLU6(depthwise(u) + b);  y = W_project v + b (+ x)
// With an opening there is no x, and u is what that gives. Here of a map that is small enough as a
// whole: each map is shared out over threads by itself, nothing done twice.
void EfficientNet::whole(const Step& step, Mat<const float> x, Mat<float> y,
                         const Executor& executor, Workspace& workspace) const {
  const Workspace::Frame frame(workspace);
  const Layer& layer = step.layer;
  const quant::Linear& expand = layer.block.expand;
  const size_t h = step.h, w = step.w, oh = step.oh(), ow = step.ow();
  const float* wide = x.data;
  if (expand.m() > 0 || step.opening != nullptr) {
    const Mat<float> u = workspace.mat<float>(h * w, layer.wide);
    if (step.opening != nullptr) {
      open(*step.opening, u.data, executor, workspace);
    } else {
      nn::apply(expand, x, u, executor, workspace);
      executor.for_ranges(h, 4, [&](size_t begin, size_t end) {
        kernels_->relu6(u.row(begin * w), (end - begin) * w * layer.wide);
      });
    }
    wide = u.data;
  }
  const Mat<float> v = workspace.mat<float>(oh * ow, layer.wide);
  const float* bias = layer.block.depthwise_bias.data();
  executor.for_ranges(oh, 2, [&](size_t begin, size_t end) {
    kernels_->depthwise_relu6(
        step.shape, {wide, 0, layer.depthwise.data(), bias, v.row(begin * ow), begin, end});
  });
  nn::apply(layer.block.project, v, y, executor, workspace);
  if (layer.residual) kernels_->add(y.data, x.data, y.rows * y.cols);
}

// The same of the output rows that y holds, which are those from `begin` on, in bands of them. The
// rows of u that two bands share stay where one thread works out both, else they are made twice.
void EfficientNet::bands(const Step& step, const Rows& from, size_t begin, Mat<float> y,
                         const Executor& executor, Workspace& workspace) const {
  const Workspace::Frame frame(workspace);
  const Layer& layer = step.layer;
  const quant::Linear& expand = layer.block.expand;
  const quant::Linear& project = layer.block.project;
  const float* bias = layer.block.depthwise_bias.data();
  const size_t w = step.w, ow = step.ow(), rows = step.rows(), count = y.rows / ow;
  const size_t band = (rows - layer.kernel) / layer.stride + 1;
  const auto slots = static_cast<size_t>(executor.threads());
  const size_t expand_scratch = expand.m() > 0 ? expand.scratch_bytes(rows * w) : 0;
  const size_t project_scratch = project.scratch_bytes(band * ow);
  const bool makes_u = expand.m() > 0 || step.opening != nullptr;
  const Mat<float> us = workspace.mat<float>(slots, makes_u ? rows * w * layer.wide : 0);
  const Mat<float> vs = workspace.mat<float>(slots, band * ow * layer.wide);
  const Mat<float> pixels =
      workspace.mat<float>(slots, step.opening != nullptr ? step.opening->scratch(rows) : 0);
  const Mat<std::byte> scratch =
      workspace.mat<std::byte>(slots, (std::max(expand_scratch, project_scratch) + 63) / 64 * 64);
  const auto x = [&](size_t row) { return from.x.row((row - from.first) * w); };
  executor.for_ranges((count + band - 1) / band, 1, [&](size_t slot, size_t i0, size_t i1) {
    size_t first = 0, made = 0;  // rows of u that lie in us
    for (size_t i = i0; i < i1; ++i) {
      const size_t r0 = begin + i * band, r1 = std::min(begin + count, r0 + band);
      const size_t x0 = step.shape.first_row(r0), x1 = step.shape.last_row(r1);
      const float* wide = us.row(slot);
      if (makes_u) {
        const size_t row = w * layer.wide, next = std::max(x0, made);
        if (made > x0) {
          std::copy(wide + (x0 - first) * row, wide + (made - first) * row, us.row(slot));
        }
        float* const u = us.row(slot) + (next - x0) * row;
        if (step.opening != nullptr && next < x1) {
          open(*step.opening, next, x1, pixels.row(slot), u);
        } else if (next < x1) {  // at the lower edge a band may need no more
          const size_t n = (x1 - next) * w;
          expand.prepare(x(next), layer.in, n, scratch.row(slot));
          expand.run(scratch.row(slot), n, 0, layer.wide, u, layer.wide);
          kernels_->relu6(u, n * layer.wide);
        }
        first = x0;
        made = x1;
      } else {
        wide = x(x0);
      }
      kernels_->depthwise_relu6(step.shape,
                                {wide, x0, layer.depthwise.data(), bias, vs.row(slot), r0, r1});
      const size_t n = (r1 - r0) * ow;
      float* to = y.row((r0 - begin) * ow);
      project.prepare(vs.row(slot), layer.wide, n, scratch.row(slot));
      project.run(scratch.row(slot), n, 0, layer.out, to, layer.out);
      if (layer.residual) kernels_->add(to, x(r0), n * layer.out);
    }
  });
}

}  // namespace sterna::vision
