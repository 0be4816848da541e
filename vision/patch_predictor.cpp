#include <sterna/nn/activation.h>
#include <sterna/nn/linear.h>
#include <sterna/quant/error.h>
#include <sterna/vision/patch_predictor.h>

#include <algorithm>
#include <string>
#include <utility>

#include "vit_positions.h"

namespace sterna::vision {

namespace {

constexpr SizeCheck expect{"patch predictor"};

}  // namespace

PatchPredictor::PatchPredictor(PatchPredictorWeights weights, quant::Isa isa)
    : weights_(std::move(weights)), isa_(isa) {
  const size_t p = weights_.blocks.width();
  const quant::Linear& last = weights_.narrow ? *weights_.narrow : weights_.in;
  expect("rows of the map in", p, last.m());
  if (weights_.narrow) expect("columns of the second map in", weights_.in.m(), last.k());
  expect("width of the mask token", p, weights_.mask.size());
  expect("columns of the map out", p, weights_.out.k());
  for (const auto& added : {weights_.of_picture, weights_.of_clip})
    if (!added.empty()) expect("width of the modality's embedding", p, added.size());
  if (weights_.rope.grid == 0) throw Error("patch predictor: expected a grid, found none");
}

void PatchPredictor::forward(nn::Mat<const float> tokens, bool picture,
                             std::span<const uint32_t> seen, std::span<const uint32_t> asked,
                             nn::Mat<float> out, const nn::Executor& executor,
                             nn::Workspace& workspace) const {
  const PatchPredictorWeights& w = weights_;
  const size_t c = seen.size(), n = c + asked.size(), d = w.in.k(), p = w.blocks.width();
  expect("width of the tokens", d, tokens.cols);
  expect("rows of the output", asked.size(), out.rows);
  expect("columns of the output", width(), out.cols);

  // x = [in(tokens[seen]); mask ...]. The reference sorts them by number; nothing but the order of
  // sums comes of it, as a token's place is its number.
  const nn::Workspace::Frame frame(workspace);
  const auto x = workspace.mat<float>(n, p), context = workspace.mat<float>(c, d);
  const auto numbers = workspace.mat<uint32_t>(1, n);
  for (size_t i = 0; i < c; ++i) {
    if (seen[i] >= tokens.rows) {
      throw Error("patch predictor: seen token: expected a number below " +
                  std::to_string(tokens.rows) + ", found " + std::to_string(seen[i]));
    }
    std::copy_n(tokens.row(seen[i]), d, context.row(i));
  }
  if (w.narrow) {
    const auto hidden = workspace.mat<float>(c, w.in.m());
    nn::apply(w.in, context, hidden, executor, workspace);
    nn::activate(nn::Activation::gelu, hidden, hidden, executor, isa_);
    nn::apply(*w.narrow, hidden, x.slice_rows(0, c), executor, workspace);
  } else {
    nn::apply(w.in, context, x.slice_rows(0, c), executor, workspace);
  }
  for (size_t i = c; i < n; ++i) std::copy_n(w.mask.data(), p, x.row(i));
  const std::span<const float> added = picture ? w.of_picture : w.of_clip;
  for (size_t i = 0; !added.empty() && i < n; ++i)
    for (size_t j = 0; j < p; ++j) x.row(i)[j] += added[j];
  std::copy(seen.begin(), seen.end(), numbers.data);
  std::copy(asked.begin(), asked.end(), numbers.data + c);

  const size_t r = video_rope_columns(w.rope.head);
  const auto cos = workspace.mat<float>(n, r), sin = workspace.mat<float>(n, r);
  fill_video_rope(w.rope, w.rope.grid, w.rope.grid, {numbers.data, n}, cos, sin);
  const nn::Rotation rotation{cos, sin, nn::Pairing::neighbours};
  const auto starts = workspace.mat<uint32_t>(1, 2);
  starts.data[0] = 0;
  starts.data[1] = static_cast<uint32_t>(n);
  w.blocks.forward(x, {{starts.data, 2}, {}, {}}, {&rotation, 1}, executor, workspace);
  nn::apply(w.norm, x, x, executor, isa_);
  nn::apply(w.out, x.slice_rows(c, n - c), out, executor, workspace);
}

}  // namespace sterna::vision
