#include <sterna/quant/error.h>
#include <sterna/vision/efficientnet.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "conv_kernels.h"
#include "efficientnet_step.h"

namespace sterna::vision {

namespace {

constexpr size_t kMostStride = 1024;

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

}  // namespace sterna::vision
