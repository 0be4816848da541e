#include <sterna/nn/activation.h>
#include <sterna/nn/linear.h>
#include <sterna/nn/norm.h>
#include <sterna/nn/unit.h>
#include <sterna/quant/error.h>
#include <sterna/vision/hybrid_tower.h>

#include <algorithm>
#include <string>
#include <utility>

namespace sterna::vision {

using nn::Executor;
using nn::Mat;
using nn::Workspace;

namespace {

constexpr SizeCheck expect{"vision tower"};

/// Row 0 = mean of rows 1.., column by column, rows in order.
void pool(Mat<float> x) noexcept {
  float* mean = x.row(0);
  std::fill_n(mean, x.cols, 0.0F);
  for (size_t i = 1; i < x.rows; ++i) {
    const float* xi = x.row(i);
    for (size_t j = 0; j < x.cols; ++j) mean[j] += xi[j];
  }
  const auto n = static_cast<float>(x.rows - 1);
  for (size_t j = 0; j < x.cols; ++j) mean[j] /= n;
}

/// Row 0 += share * mean of rows 1.. weighted by `sure` [rows, 1], and to unit length.
void add_places(Mat<const float> sure, float share, Mat<float> meaning) noexcept {
  float total = 0;
  for (size_t i = 1; i < meaning.rows; ++i) total += sure.row(i)[0];
  float* whole = meaning.row(0);
  for (size_t i = 1; i < meaning.rows; ++i) {
    const float weight = share * sure.row(i)[0] / total;
    const float* place = meaning.row(i);
    for (size_t j = 0; j < meaning.cols; ++j) whole[j] += weight * place[j];
  }
  nn::l2_normalize(whole, meaning.cols);
}

}  // namespace

HybridTower::HybridTower(Config config, Weights weights, quant::Isa isa)
    : config_(config), weights_(std::move(weights)), isa_(isa) {
  const EfficientNet& stem = weights_.stem;
  const size_t stride = stem.head_stride(), size = config_.image_size;
  if (size == 0 || size % stride != 0) {
    throw Error("vision tower: expected an image size that is a multiple of " +
                std::to_string(stride) + ", found " + std::to_string(size));
  }
  if (config_.detail == 0) throw Error("vision tower: expected a detail of at least 1, found 0");
  grid_ = size / stride;
  places_ = stride / stem.low_stride();
  for (size_t c = 0; c < 3; ++c) {
    if (!(config_.stddev[c] > 0)) {
      throw Error("vision tower: expected positive standard deviations, found " +
                  std::to_string(config_.stddev[c]));
    }
    for (size_t v = 0; v < 256; ++v) {
      normalised_[c][v] = (static_cast<float>(v) - config_.mean[c]) / config_.stddev[c];
    }
  }
  expect("classifier inputs", stem.config().head_width, weights_.semantic.width());
  expect("token projection outputs", width(), weights_.tokens.m());
  expect("token projection inputs", feature_width(), weights_.tokens.k());
  expect("position table size", tokens() * width(), weights_.position.size());
  expect("final norm size", width(), weights_.norm.size());
  for (size_t i = 0; i < weights_.blocks.size(); ++i) {
    weights_.blocks[i].check(width(), "vision tower: block " + std::to_string(i));
  }
}

size_t HybridTower::tokens(const EfficientNet& stem, size_t image_size) {
  const size_t grid = image_size / stem.head_stride();
  return 1 + grid * grid;
}

size_t HybridTower::feature_width(const EfficientNet& stem, const SemanticHead& semantic) {
  const size_t places = stem.head_stride() / stem.low_stride();
  return semantic.dim() + SemanticHead::kConfidences + places * places * stem.low_width() +
         kCells * kCells * kColourFeatures;
}

/// Normalised pixels [size * size, 3] through the stem; `low` may be empty.
void HybridTower::run_stem(std::span<const uint8_t> rgb, size_t size, Mat<float> low,
                           Mat<float> head, const Executor& executor, Workspace& workspace) const {
  expect("bytes of the picture", size * size * 3, rgb.size());
  struct Picture {
    const HybridTower& tower;
    const uint8_t* rgb;
    size_t row;  // bytes of one
  } const picture{*this, rgb.data(), size * 3};
  const auto normalise = [](const void* of, size_t begin, size_t end, float* to) {
    const auto& p = *static_cast<const Picture*>(of);
    const uint8_t* from = p.rgb + begin * p.row;
    for (size_t i = 0; i < (end - begin) * p.row; i += 3) {
      for (size_t c = 0; c < 3; ++c) to[i + c] = p.tower.normalised_[c][from[i + c]];
    }
  };
  weights_.stem.forward(EfficientNet::PixelRows{normalise, &picture}, size, size, low, head,
                        executor, workspace);
}

void HybridTower::features(std::span<const uint8_t> rgb, Mat<float> out, const Executor& executor,
                           Workspace& workspace) const {
  const EfficientNet& stem = weights_.stem;
  const size_t size = config_.image_size;
  expect("feature rows", tokens(), out.rows);
  expect("feature columns", feature_width(), out.cols);
  const Workspace::Frame frame(workspace);

  const Mat<float> head = workspace.mat<float>(tokens(), stem.config().head_width);
  const size_t side = size / stem.low_stride();
  const Mat<float> low = workspace.mat<float>(side * side, stem.low_width());
  run_stem(rgb, size, low, head.slice_rows(1, tokens() - 1), executor, workspace);
  pool(head);
  const size_t low_at = dim() + SemanticHead::kConfidences;
  const size_t low_features = places_ * places_ * low.cols;
  weights_.semantic.forward(head, out.slice_cols(0, dim()),
                            out.slice_cols(dim(), SemanticHead::kConfidences), executor, workspace);

  const size_t place = stem.head_stride(), cell = place / kCells;
  executor.for_ranges(grid_ * grid_, 8, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const size_t gy = i / grid_, gx = i % grid_;
      float* to = out.row(1 + i) + low_at;
      for (size_t dy = 0; dy < places_; ++dy) {
        // The cells of one row are neighbours in the map.
        const float* from = low.row((gy * places_ + dy) * side + gx * places_);
        to = std::copy_n(from, places_ * low.cols, to);
      }
      for (size_t dy = 0; dy < kCells; ++dy) {
        for (size_t dx = 0; dx < kCells; ++dx, to += kColourFeatures) {
          const size_t y = gy * place + dy * cell, x = gx * place + dx * cell;
          colour_statistics(rgb.data() + (y * size + x) * 3, size * 3, cell, to);
        }
      }
    }
  });
  pool(out.slice_cols(low_at, low_features + kCells * kCells * kColourFeatures));
}

void HybridTower::forward(std::span<const uint8_t> rgb, Mat<float> vision, Mat<float> meaning,
                          const Executor& executor, Workspace& workspace) const {
  expect("vision rows", tokens(), vision.rows);
  expect("vision columns", width(), vision.cols);
  expect("meaning rows", tokens(), meaning.rows);
  expect("meaning columns", dim(), meaning.cols);
  const Workspace::Frame frame(workspace);
  const Mat<float> feature = workspace.mat<float>(tokens(), feature_width());
  features(rgb, feature, executor, workspace);
  for (size_t i = 0; i < tokens(); ++i) std::copy_n(feature.row(i), dim(), meaning.row(i));
  if (config_.whole_places != 0)
    add_places(feature.slice_cols(dim(), 1), config_.whole_places, meaning);

  // x = W feature + b + position
  nn::apply(weights_.tokens, feature, vision, executor, workspace);
  nn::add(Mat<const float>(weights_.position.data(), tokens(), width()), vision, executor, isa_);
  const uint32_t starts[] = {0, static_cast<uint32_t>(tokens())};
  for (const nn::TernaryBlock& block : weights_.blocks) {
    block.forward(vision, starts, executor, workspace, isa_);
  }
  nn::rms_norm(vision, weights_.norm, nn::TernaryBlock::kEps, vision, executor, isa_);
}

void HybridTower::look_closer(std::span<const uint8_t> rgb, Mat<const float> meaning,
                              Mat<float> fine, const Executor& executor,
                              Workspace& workspace) const {
  expect("meaning rows", tokens(), meaning.rows);
  expect("fine meaning rows", tokens(), fine.rows);
  expect("fine meaning columns", dim(), fine.cols);
  const Workspace::Frame frame(workspace);
  const size_t d = config_.detail, parts = d * grid_ * d * grid_;
  const Mat<float> head = workspace.mat<float>(parts, weights_.stem.config().head_width);
  run_stem(rgb, d * config_.image_size, {}, head, executor, workspace);
  std::copy_n(meaning.row(0), dim(), fine.row(0));
  weights_.semantic.forward_parts(head, d, fine.slice_rows(1, tokens() - 1), executor, workspace);
}

}  // namespace sterna::vision
