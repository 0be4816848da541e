#include <sterna/quant/error.h>

#include <algorithm>
#include <array>
#include <string>

#include "bind.h"

namespace sterna::models {

namespace {

// Bounds of what any sane model says; tensors that do not match the rest are caught by name.
constexpr uint64_t kMostWidth = 65536, kMostBlocks = 4096, kMostSide = 8192, kMostClasses = 1 << 24;
constexpr uint64_t kMostDetail = 4;

std::array<float, 3> colour(const Gguf& file, std::string_view key) {
  const std::vector<double> v = file.numbers(key);
  if (v.size() != 3) {
    throw Error(file.file() + ": " + std::string(key) + ": expected 3 numbers, found " +
                std::to_string(v.size()));
  }
  return {static_cast<float>(v[0]), static_cast<float>(v[1]), static_cast<float>(v[2])};
}

std::vector<vision::ConvStage> bind_stages(const Gguf& file) {
  constexpr size_t kNumbers = 6;  // kernel, stride, expand, in, out, repeats
  constexpr std::string_view key = "sterna.vision.stem.stages";
  const std::vector<int64_t> v = file.integers(key);
  if (v.empty() || v.size() % kNumbers != 0) {
    throw Error(file.file() + ": " + std::string(key) + ": expected rows of 6 integers, found " +
                std::to_string(v.size()) + " integers");
  }
  std::vector<vision::ConvStage> stages(v.size() / kNumbers);
  for (size_t i = 0; i < stages.size(); ++i) {
    std::array<size_t, kNumbers> n{};
    for (size_t j = 0; j < kNumbers; ++j) {
      const int64_t x = v[i * kNumbers + j];
      if (x < 1 || x > static_cast<int64_t>(kMostWidth)) {
        throw Error(file.file() + ": " + std::string(key) + ": stage " + std::to_string(i) +
                    ": expected integers in 1.." + std::to_string(kMostWidth) + ", found " +
                    std::to_string(x));
      }
      n[j] = static_cast<size_t>(x);
    }
    stages[i] = {n[0], n[1], n[2], n[3], n[4], n[5]};
  }
  return stages;
}

vision::EfficientNet bind_stem(const Gguf& file, quant::Isa isa) {
  vision::EfficientNet::Config config;
  config.stages = bind_stages(file);
  config.width = file.integer("sterna.vision.stem.width", 1, kMostWidth);
  config.head_width = file.integer("sterna.vision.head_width", 1, kMostWidth);
  config.low_stage = file.integer("sterna.vision.low_stage", 0, config.stages.size() - 1);

  const Weights stem = Weights(file).in("vision.stem");
  vision::EfficientNet::Weights w;
  w.conv = stem.floats("conv.weight", {config.width, 3, 3, 3});
  w.conv_bias = stem.floats("conv.bias", {config.width});
  size_t n = 0, in = config.width;
  for (const vision::ConvStage& s : config.stages) {
    for (size_t r = 0; r < s.repeats; ++r, ++n, in = s.out) {
      const Weights scope = stem.in("blocks." + std::to_string(n));
      const size_t wide = in * s.expand;
      vision::EfficientNet::Block block;
      if (s.expand > 1) block.expand = bind_linear(scope, "expand", wide, in, true, isa);
      block.depthwise = scope.floats("depthwise.weight", {wide, s.kernel, s.kernel});
      block.depthwise_bias = scope.floats("depthwise.bias", {wide});
      block.project = bind_linear(scope, "project", s.out, wide, true, isa);
      w.blocks.push_back(std::move(block));
    }
  }
  w.head = bind_linear(stem, "head", config.head_width, in, true, isa);
  return {std::move(config), std::move(w), isa};
}

}  // namespace

vision::Preprocess bind_preprocess(const Gguf& file) {
  vision::Preprocess p;
  p.size = file.integer("sterna.vision.image_size", 1, kMostSide);
  p.filter = vision::parse_filter(file.string("sterna.vision.resize"));
  p.fit = vision::parse_fit(file.string("sterna.vision.fit"));
  p.mean = colour(file, "sterna.vision.mean");
  p.std = colour(file, "sterna.vision.std");
  vision::check(p);
  return p;
}

vision::HybridTower bind_tower(const Gguf& file, const vision::Preprocess& preprocess, size_t dim,
                               quant::Isa isa, const Replaced* replaced) {
  const std::string_view kind = file.string("sterna.vision.kind");
  if (kind != "efficientnet_lite_hybrid") {
    throw Error(file.file() +
                ": sterna.vision.kind: expected \"efficientnet_lite_hybrid\", found \"" +
                std::string(kind) + "\"");
  }
  const size_t d = file.integer("sterna.vision.width", 1, kMostWidth);
  const size_t blocks = file.integer("sterna.vision.blocks", 0, kMostBlocks);
  const size_t heads = file.integer("sterna.vision.heads", 1, d);
  const size_t f = file.integer("sterna.vision.mlp", 1, kMostWidth);
  const size_t classes = file.integer("sterna.vision.classes", 1, kMostClasses);
  const size_t top = file.integer("sterna.vision.top_classes", 1, classes);

  const Weights scope = Weights(file, replaced).in("vision");
  vision::EfficientNet stem = bind_stem(file, isa);
  quant::Linear classifier =
      bind_linear(scope, "classifier", classes, stem.config().head_width, true, isa);
  vision::SemanticHead semantic(std::move(classifier),
                                bind_table(scope, "class_embedding", classes, dim, isa), top, isa);
  vision::HybridTower::Config config{preprocess.size, preprocess.mean, preprocess.std, d};
  config.whole_places = optional_number(file, "sterna.vision.whole_places", 0, 100, true);
  if (file.has(kDetail)) {
    config.detail = file.integer(
        kDetail, 1, std::clamp<uint64_t>(kMostSide / config.image_size, 1, kMostDetail));
  }
  const size_t features = vision::HybridTower::feature_width(stem, semantic);
  const size_t tokens = vision::HybridTower::tokens(stem, config.image_size);
  return {config,
          {.stem = std::move(stem),
           .semantic = std::move(semantic),
           .tokens = bind_linear(scope, "tokens", d, features, true, isa),
           .position = scope.floats("position", {tokens, d}),
           .blocks = bind_blocks(scope, blocks, d, f, heads, isa),
           .norm = scope.floats("norm.weight", {d})},
          isa};
}

}  // namespace sterna::models
