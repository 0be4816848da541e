#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/mat.h>
#include <sterna/nn/ternary_block.h>
#include <sterna/nn/workspace.h>
#include <sterna/vision/colour.h>
#include <sterna/vision/efficientnet.h>
#include <sterna/vision/semantic.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sterna::vision {

/// A hybrid vision transformer (Dosovitskiy et al., arXiv 2010.11929, section 3.1) whose tokens
/// speak the text space: a convolutional stem sees the picture; each of g x g places (and, as token
/// 0, their mean) becomes
///   feature = [meaning (dim), confidence (2), low-level map (4 cells), colour statistics (4
///   cells)] x = W feature + b + position;  blocks;  RMSNorm
/// and leaves with its meaning, which a predictor may point at. The whole picture's is the
/// direction of its pooled meaning plus `whole_places` times the places' mean, weighted by their
/// largest class probability (ConSE has the first alone). Of the picture `detail` times as large
/// the stem says more of what lies at the places: small things, which are hardly seen at S.
/// Const after construction, shared by threads.
class HybridTower {
 public:
  struct Config {
    size_t image_size = 0;                  // S; a multiple of the stem's stride
    std::array<float, 3> mean{}, stddev{};  // of RGB in 0..255 units: x = (p - mean) / stddev
    size_t width = 0;                       // d
    float whole_places = 0;                 // finite
    size_t detail = 1;                      // of the larger picture; 1: none
  };
  struct Weights {
    EfficientNet stem;
    SemanticHead semantic;
    quant::Linear tokens;             // [d, feature_width] + bias
    std::span<const float> position;  // [1 + g * g, d]
    std::vector<nn::TernaryBlock> blocks;
    std::span<const float> norm;  // [d]
  };

  HybridTower() = default;
  /// Throws sterna::Error where shapes disagree.
  HybridTower(Config config, Weights weights, quant::Isa isa = quant::best_isa());

  size_t image_size() const { return config_.image_size; }
  size_t detail() const { return config_.detail; }
  bool looks_closer() const { return config_.detail > 1; }
  size_t tokens() const { return tokens(weights_.stem, config_.image_size); }
  size_t grid() const { return grid_; }  // g: places along a side
  size_t width() const { return config_.width; }
  const EfficientNet& stem() const { return weights_.stem; }
  size_t dim() const { return weights_.semantic.dim(); }
  size_t feature_width() const { return feature_width(weights_.stem, weights_.semantic); }

  /// The same before there is a tower, for whoever looks up its weights.
  static size_t tokens(const EfficientNet& stem, size_t image_size);
  static size_t feature_width(const EfficientNet& stem, const SemanticHead& semantic);

  /// What lies between the picture and the transformer, for tests and training: rgb [S * S * 3] ->
  /// features [tokens, feature_width].
  void features(std::span<const uint8_t> rgb, nn::Mat<float> out, const nn::Executor& executor,
                nn::Workspace& workspace) const;
  /// rgb [S * S * 3] -> vision [tokens, width], meaning [tokens, dim].
  void forward(std::span<const uint8_t> rgb, nn::Mat<float> vision, nn::Mat<float> meaning,
               const nn::Executor& executor, nn::Workspace& workspace) const;
  /// What the places say in the larger picture: rgb [detail S * detail S * 3], meaning [tokens,
  /// dim] as forward() gives it -> fine [tokens, dim]: that of the whole picture as it is, of a
  /// place what the stem says of its detail x detail parts (SemanticHead::forward_parts).
  void look_closer(std::span<const uint8_t> rgb, nn::Mat<const float> meaning, nn::Mat<float> fine,
                   const nn::Executor& executor, nn::Workspace& workspace) const;

 private:
  void run_stem(std::span<const uint8_t> rgb, size_t size, nn::Mat<float> low, nn::Mat<float> head,
                const nn::Executor& executor, nn::Workspace& workspace) const;

  static constexpr size_t kCells = 2;  // colour cells along a side of a place

  Config config_;
  Weights weights_;
  quant::Isa isa_ = quant::Isa::scalar;
  size_t grid_ = 0;    // g
  size_t places_ = 0;  // low-level map cells along a side of a place
  std::array<std::array<float, 256>, 3> normalised_{};  // by channel and 8-bit value
};

}  // namespace sterna::vision
