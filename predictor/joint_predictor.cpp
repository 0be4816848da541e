#include <sterna/nn/linear.h>
#include <sterna/nn/pool.h>
#include <sterna/predictor/joint_predictor.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <string>
#include <utility>

namespace sterna::predictor {

namespace {

constexpr SizeCheck expect{"predictor"};

}  // namespace

JointPredictor::JointPredictor(JointPredictorWeights weights, quant::Isa isa)
    : weights_(std::move(weights)), isa_(isa) {
  const size_t d = weights_.blocks.width();
  expect("width of the token embedding", d, weights_.tokens.cols());
  expect("rows of the vision map", d, weights_.vision.m());
  expect("columns of the head", d, weights_.head.k());
  if (weights_.norm) expect("numbers of the norm", d, weights_.norm.gain.size());
  if (!weights_.norm.bias.empty()) expect("bias of the norm", d, weights_.norm.bias.size());
}

void JointPredictor::forward(nn::Mat<const float> vision, std::span<const uint32_t> query,
                             std::span<const uint32_t> places, std::span<float> out,
                             const nn::Executor& executor, nn::Workspace& workspace) const {
  const JointPredictorWeights& w = weights_;
  const size_t p = vision.rows, t = p + query.size(), d = w.blocks.width();
  expect("width of the vision tokens", w.vision.k(), vision.cols);
  expect("places of the query", query.size(), places.size());
  expect("numbers of the output", dim(), out.size());

  const nn::Workspace::Frame frame(workspace);
  const auto x = workspace.mat<float>(t, d);
  const auto positions = workspace.mat<uint32_t>(1, t);
  nn::apply(w.vision, vision, x.slice_rows(0, p), executor, workspace);
  for (size_t i = 0; i < p; ++i) positions.data[i] = static_cast<uint32_t>(i);
  for (size_t i = 0; i < query.size(); ++i) {
    if (query[i] >= w.tokens.rows()) {
      throw Error("predictor: token id: expected a number below " +
                  std::to_string(w.tokens.rows()) + ", found " + std::to_string(query[i]));
    }
    std::fill_n(x.row(p + i), d, 0.0F);
    w.tokens.add(query[i], 1.0F, x.row(p + i));
    positions.data[p + i] = static_cast<uint32_t>(p + places[i]);
  }

  const size_t r = 2 * w.frequencies.size();
  const auto cos = workspace.mat<float>(t, r), sin = workspace.mat<float>(t, r);
  nn::fill_rotation(w.frequencies, {positions.data, t}, nn::Pairing::halves, cos, sin);
  const nn::Rotation rotation{cos, sin, nn::Pairing::halves};
  const auto starts = workspace.mat<uint32_t>(1, 2);
  starts.data[0] = 0;
  starts.data[1] = static_cast<uint32_t>(t);
  w.blocks.forward(x, {{starts.data, 2}, {positions.data, t}, {}}, {&rotation, 1}, executor,
                   workspace);
  nn::apply(w.norm, x, x, executor, isa_);
  const auto pooled = workspace.mat<float>(1, d);
  nn::mean_rows(x, pooled.data);
  nn::apply(w.head, pooled, {out.data(), 1, dim()}, executor, workspace);
}

}  // namespace sterna::predictor
