#include <sterna/nn/linear.h>
#include <sterna/quant/error.h>
#include <sterna/vision/efficientnet.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "conv_kernels.h"

namespace sterna::vision {

using nn::Executor;
using nn::Mat;
using nn::Workspace;

namespace {

constexpr size_t kMostStride = 1024;
constexpr size_t kConvKernel = 3, kConvStride = 2, kColours = 3;

// The wide middle of a block is worked out in bands of about this many bytes, so that it is read
// back from a core's own cache (1-2 MiB of L2 on today's servers, shared with weights and output).
constexpr size_t kBandBytes = size_t{320} << 10;

constexpr SizeCheck expect{"efficientnet"};

void expect_linear(const quant::Linear& linear, size_t m, size_t k, const std::string& what) {
  expect(what + " outputs", m, linear.m());
  expect(what + " inputs", k, linear.k());
}

void check(const ConvStage& s, size_t in, const std::string& what) {
  if (s.kernel != 3 && s.kernel != 5) {
    throw Error("efficientnet: " + what + ": expected kernel 3 or 5, found " +
                std::to_string(s.kernel));
  }
  if (s.stride != 1 && s.stride != 2) {
    throw Error("efficientnet: " + what + ": expected stride 1 or 2, found " +
                std::to_string(s.stride));
  }
  expect(what + " input width", in, s.in);
  if (s.out == 0 || s.expand == 0 || s.repeats == 0) {
    throw Error("efficientnet: " + what + ": expected a positive width, expansion and repeats");
  }
}

// [channels, taps] -> [taps, channels]: neighbouring channels are what a vector register holds.
std::vector<float> transpose(std::span<const float> w, size_t channels, size_t taps) {
  std::vector<float> t(w.size());
  for (size_t c = 0; c < channels; ++c) {
    for (size_t i = 0; i < taps; ++i) t[i * channels + c] = w[c * taps + i];
  }
  return t;
}

}  // namespace

EfficientNet::EfficientNet(Config config, Weights weights, quant::Isa isa)
    : config_(std::move(config)),
      conv_bias_(weights.conv_bias),
      head_(std::move(weights.head)),
      kernels_(conv_kernels(isa)) {
  if (kernels_ == nullptr) kernels_ = conv_kernels_scalar();
  const size_t taps = kConvKernel * kConvKernel;
  expect("stem convolution", config_.width * taps * kColours, weights.conv.size());
  expect("stem convolution bias", config_.width, conv_bias_.size());
  conv_ = transpose(weights.conv, config_.width, taps * kColours);
  if (config_.stages.empty() || config_.low_stage >= config_.stages.size()) {
    throw Error("efficientnet: expected low_stage below the number of stages " +
                std::to_string(config_.stages.size()) + ", found " +
                std::to_string(config_.low_stage));
  }
  size_t width = config_.width, n = 0;
  for (size_t s = 0; s < config_.stages.size(); ++s) {
    const ConvStage& stage = config_.stages[s];
    check(stage, width, "stage " + std::to_string(s));
    head_stride_ *= stage.stride;
    if (head_stride_ > kMostStride) {
      throw Error("efficientnet: expected a stride of the whole stem of at most " +
                  std::to_string(kMostStride) + ", found " + std::to_string(head_stride_));
    }
    if (s <= config_.low_stage) low_stride_ *= stage.stride;
    for (size_t r = 0; r < stage.repeats; ++r, ++n) {
      const std::string what = "block " + std::to_string(n);
      if (n >= weights.blocks.size()) throw Error("efficientnet: " + what + " is missing");
      Layer layer{.block = std::move(weights.blocks[n]),
                  .kernel = stage.kernel,
                  .stride = r == 0 ? stage.stride : 1,
                  .in = width,
                  .wide = width * stage.expand,
                  .out = stage.out,
                  .residual = false,
                  .low = s == config_.low_stage && r + 1 == stage.repeats,
                  .depthwise = {}};
      layer.residual = layer.stride == 1 && layer.in == layer.out;
      const size_t area = layer.kernel * layer.kernel;
      if (stage.expand == 1) {
        expect(what + " expansion of ratio 1", 0, layer.block.expand.m());
      } else {
        expect_linear(layer.block.expand, layer.wide, layer.in, what + " expansion");
      }
      expect(what + " depthwise weights", layer.wide * area, layer.block.depthwise.size());
      expect(what + " depthwise bias", layer.wide, layer.block.depthwise_bias.size());
      expect_linear(layer.block.project, layer.out, layer.wide, what + " projection");
      layer.depthwise = transpose(layer.block.depthwise, layer.wide, area);
      layers_.push_back(std::move(layer));
      width = stage.out;
    }
  }
  expect("blocks", n, weights.blocks.size());
  expect_linear(head_, config_.head_width, width, "head");
}

void EfficientNet::forward(Mat<const float> pixels, size_t h, size_t w, Mat<float> low,
                           Mat<float> head, const Executor& executor, Workspace& workspace) const {
  expect("pixels", h * w, pixels.rows);
  expect("colours", kColours, pixels.cols);
  const auto side = [](size_t size, size_t stride) { return (size + stride - 1) / stride; };
  expect("places of the low map", side(h, low_stride_) * side(w, low_stride_), low.rows);
  expect("width of the low map", low_width(), low.cols);
  expect("places of the head map", side(h, head_stride_) * side(w, head_stride_), head.rows);
  expect("width of the head map", config_.head_width, head.cols);
  Workspace::Frame frame(workspace);

  // x = ReLU6(conv 3x3 / 2 (pixels))
  const ConvShape first{h, w, kColours, kConvKernel, kConvStride, config_.width};
  size_t oh = first.oh(), ow = first.ow();
  size_t most = oh * ow * config_.width;
  for (size_t i = 0, a = oh, b = ow; i < layers_.size(); ++i) {
    a = side(a, layers_[i].stride);
    b = side(b, layers_[i].stride);
    most = std::max(most, a * b * layers_[i].out);
  }
  float* here = workspace.mat<float>(1, most).data;
  float* there = workspace.mat<float>(1, most).data;
  executor.for_ranges(oh, 4, [&](size_t begin, size_t end) {
    kernels_->dense_relu6(first, {pixels.data, 0, conv_.data(), conv_bias_.data(),
                                  here + begin * ow * config_.width, begin, end});
  });

  for (const Layer& layer : layers_) {
    const Mat<const float> x(here, oh * ow, layer.in);
    const size_t h2 = side(oh, layer.stride), w2 = side(ow, layer.stride);
    const Mat<float> y(there, h2 * w2, layer.out);
    block(layer, x, oh, ow, y, executor, workspace);
    if (layer.low) {
      for (size_t i = 0; i < y.rows; ++i) std::copy_n(y.row(i), y.cols, low.row(i));
    }
    std::swap(here, there);
    oh = h2;
    ow = w2;
  }

  // head = ReLU6(W x + b)
  nn::apply(head_, {here, oh * ow, head_.k()}, head, executor, workspace);
  for (size_t i = 0; i < head.rows; ++i) kernels_->relu6(head.row(i), head.cols);
}

// An inverted residual (Sandler et al., arXiv 1801.04381):
//   u = ReLU6(W_expand x + b);  v = ReLU6(depthwise(u) + b);  y = W_project v + b (+ x)
void EfficientNet::block(const Layer& layer, Mat<const float> x, size_t h, size_t w, Mat<float> y,
                         const Executor& executor, Workspace& workspace) const {
  Workspace::Frame frame(workspace);
  const ConvShape shape{h, w, layer.wide, layer.kernel, layer.stride, layer.wide};
  const size_t oh = shape.oh(), ow = shape.ow();
  const quant::Linear& expand = layer.block.expand;
  const quant::Linear& project = layer.block.project;
  const float* bias = layer.block.depthwise_bias.data();

  const size_t row_bytes = w * layer.wide * sizeof(float);
  const size_t rows = std::max(kBandBytes / row_bytes, layer.kernel);
  if (2 * rows >= h) {
    // Small enough as a whole: share each map out over threads by itself, nothing done twice.
    const Mat<float> u = workspace.mat<float>(h * w, layer.wide);
    const float* wide = x.data;
    if (expand.m() > 0) {
      nn::apply(expand, x, u, executor, workspace);
      executor.for_ranges(h, 4, [&](size_t begin, size_t end) {
        kernels_->relu6(u.row(begin * w), (end - begin) * w * layer.wide);
      });
      wide = u.data;
    }
    const Mat<float> v = workspace.mat<float>(oh * ow, layer.wide);
    executor.for_ranges(oh, 2, [&](size_t begin, size_t end) {
      kernels_->depthwise_relu6(
          shape, {wide, 0, layer.depthwise.data(), bias, v.row(begin * ow), begin, end});
    });
    nn::apply(project, v, y, executor, workspace);
    if (layer.residual) kernels_->add(y.data, x.data, y.rows * y.cols);
    return;
  }

  // Bands of output rows; the rows of u that two bands share are worked out twice.
  const size_t band = (rows - layer.kernel) / layer.stride + 1;
  const auto slots = static_cast<size_t>(executor.threads());
  const size_t expand_scratch = expand.m() > 0 ? expand.scratch_bytes(rows * w) : 0;
  const size_t project_scratch = project.scratch_bytes(band * ow);
  const Mat<float> us = workspace.mat<float>(slots, expand.m() > 0 ? rows * w * layer.wide : 0);
  const Mat<float> vs = workspace.mat<float>(slots, band * ow * layer.wide);
  const Mat<std::byte> scratch =
      workspace.mat<std::byte>(slots, (std::max(expand_scratch, project_scratch) + 63) / 64 * 64);
  executor.for_ranges((oh + band - 1) / band, 1, [&](size_t slot, size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const size_t r0 = i * band, r1 = std::min(oh, r0 + band);
      const size_t x0 = shape.first_row(r0), x1 = shape.last_row(r1);
      const float* wide = x.data + x0 * w * layer.in;
      if (expand.m() > 0) {
        const size_t n = (x1 - x0) * w;
        expand.prepare(wide, layer.in, n, scratch.row(slot));
        expand.run(scratch.row(slot), n, 0, layer.wide, us.row(slot), layer.wide);
        kernels_->relu6(us.row(slot), n * layer.wide);
        wide = us.row(slot);
      }
      kernels_->depthwise_relu6(shape,
                                {wide, x0, layer.depthwise.data(), bias, vs.row(slot), r0, r1});
      const size_t n = (r1 - r0) * ow;
      project.prepare(vs.row(slot), layer.wide, n, scratch.row(slot));
      project.run(scratch.row(slot), n, 0, layer.out, y.row(r0 * ow), layer.out);
      if (layer.residual) kernels_->add(y.row(r0 * ow), x.row(r0 * ow), n * layer.out);
    }
  });
}

}  // namespace sterna::vision
