#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/mat.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/linear.h>

#include <cstddef>
#include <span>
#include <vector>

namespace sterna::vision {

/// One row of the stage table of an EfficientNet (Tan & Le, arXiv 1905.11946, table 1).
struct ConvStage {
  size_t kernel = 3;  // of the depthwise convolution: 3 or 5
  size_t stride = 1;  // of the stage's first block: 1 or 2
  size_t expand = 1;  // width inside a block / width of its input
  size_t in = 0, out = 0;
  size_t repeats = 1;
};

/// The convolutional stem: EfficientNet-Lite (tensorflow/tpu, efficientnet/lite): no
/// squeeze-and-excitation, ReLU6, batch norms folded into weights and biases, TensorFlow's SAME
/// padding. Images are channel-last floats [h * w, c]; 1x1 convolutions are Linears over pixels.
///
/// Const after construction, shared by threads. Bands of rows are worked out one after another so
/// that the wide middle of a block stays in cache. A row is the same whatever band it is made in,
/// so results do not depend on the number of threads.
class EfficientNet {
 public:
  struct Config {
    std::vector<ConvStage> stages;
    size_t width = 0;       // channels after the first convolution
    size_t head_width = 0;  // channels of the final 1x1 convolution
    size_t low_stage = 0;   // the stage whose output is also returned
  };
  struct Block {
    quant::Linear expand;                   // [in * expand, in] + bias; m() = 0 when the ratio is 1
    std::span<const float> depthwise;       // [in * expand, kernel, kernel]
    std::span<const float> depthwise_bias;  // [in * expand]
    quant::Linear project;                  // [out, in * expand] + bias
  };
  struct Weights {
    std::span<const float> conv;       // [width, 3, 3, 3]: out, ky, kx, RGB; stride 2
    std::span<const float> conv_bias;  // [width]
    std::vector<Block> blocks;         // repeats of all stages in order
    quant::Linear head;                // [head_width, out of the last stage] + bias
  };

  EfficientNet() = default;
  /// Copies and transposes only the small direct convolutions; the Linears view the file. Throws
  /// sterna::Error where a shape does not follow from the stage table.
  EfficientNet(Config config, Weights weights, quant::Isa isa = quant::best_isa());

  const Config& config() const { return config_; }
  size_t low_width() const { return config_.stages[config_.low_stage].out; }
  /// How many input pixels one pixel of the low / head map stands for, along a side.
  size_t low_stride() const { return low_stride_; }
  size_t head_stride() const { return head_stride_; }

  /// A picture that is made up of normalised pixels as they are needed.
  struct PixelRows {
    /// Rows begin..end of [h, w, 3] -> to. Called by several threads at once; does not throw.
    void (*rows)(const void* of, size_t begin, size_t end, float* to);
    const void* of;
  };

  /// pixels [h, w, 3] -> low [ceil(h / low_stride)..^2, low_width] (the linear output of
  /// `low_stage`; without rows it is not wanted), head [.., head_width] (after ReLU6). Rows of each
  /// Mat are packed.
  void forward(const PixelRows& pixels, size_t h, size_t w, nn::Mat<float> low, nn::Mat<float> head,
               const nn::Executor& executor, nn::Workspace& workspace) const;
  /// The same of pixels [h * w, 3] that lie in memory.
  void forward(nn::Mat<const float> pixels, size_t h, size_t w, nn::Mat<float> low,
               nn::Mat<float> head, const nn::Executor& executor, nn::Workspace& workspace) const;

 private:
  struct Layer {
    Block block;
    size_t kernel, stride, in, wide, out;
    bool residual, low;
    std::vector<float> depthwise;  // [kernel * kernel, wide]
  };
  struct Opening;
  struct Step;
  /// Rows of a map from `first` on.
  struct Rows {
    nn::Mat<const float> x;
    size_t first = 0;
  };
  void open(const Opening& opening, size_t begin, size_t end, float* scratch, float* y) const;
  void open(const Opening& opening, float* y, const nn::Executor& executor,
            nn::Workspace& workspace) const;
  void striped(const Step& first, const Step& second, float* y, const nn::Executor& executor,
               nn::Workspace& workspace) const;
  void whole(const Step& step, nn::Mat<const float> x, nn::Mat<float> y,
             const nn::Executor& executor, nn::Workspace& workspace) const;
  void bands(const Step& step, const Rows& from, size_t begin, nn::Mat<float> y,
             const nn::Executor& executor, nn::Workspace& workspace) const;

  Config config_;
  std::vector<Layer> layers_;
  std::vector<float> conv_;  // [3 * 3 * 3, width]
  std::span<const float> conv_bias_;
  quant::Linear head_;
  size_t low_stride_ = 2, head_stride_ = 2;
  const struct ConvKernels* kernels_ = nullptr;
};

}  // namespace sterna::vision
