#include <sterna/nn/activation.h>
#include <sterna/nn/linear.h>
#include <sterna/nn/norm.h>
#include <sterna/nn/unit.h>
#include <sterna/predictor/ground.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <cstdint>
#include <string>

namespace sterna::predictor {

using nn::Mat;

void Ground::check(size_t d, size_t dim) const {
  constexpr SizeCheck expect{"predictor"};
  for (size_t i = 0; i < blocks.size(); ++i) {
    blocks[i].check(d, "predictor: ground block " + std::to_string(i));
  }
  expect("ground norm size", d, norm.size());
  expect("ground map inputs", d, map.k());
  expect("ground map outputs", dim, map.m());
}

void Ground::forward(Mat<const float> vision, Mat<const float> meaning, Mat<float> out,
                     const nn::Executor& executor, nn::Workspace& workspace,
                     quant::Isa isa) const {
  const nn::Workspace::Frame frame(workspace);
  const size_t tokens = vision.rows, d = vision.cols, dim = meaning.cols;
  const Mat<float> x = workspace.mat<float>(tokens, d);
  for (size_t t = 0; t < tokens; ++t) std::copy_n(vision.row(t), d, x.row(t));
  const uint32_t starts[] = {0, static_cast<uint32_t>(tokens)};
  for (const nn::TernaryBlock& block : blocks) block.forward(x, starts, executor, workspace, isa);
  nn::rms_norm(x, norm, nn::TernaryBlock::kEps, x, executor, isa);
  nn::apply(map, x, out, executor, workspace);
  std::copy_n(meaning.row(0), dim, out.row(0));
  nn::add(meaning.slice_rows(1, tokens - 1), out.slice_rows(1, tokens - 1), executor, isa);
  for (size_t t = 1; t < tokens; ++t) nn::l2_normalize(out.row(t), dim);
}

}  // namespace sterna::predictor
