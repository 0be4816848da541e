#include <sterna/nn/linear.h>
#include <sterna/vision/efficientnet.h>

#include <algorithm>
#include <cstddef>

#include "conv_kernels.h"
#include "efficientnet_step.h"

namespace sterna::vision {

using nn::Executor;
using nn::Mat;
using nn::Workspace;

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
        const size_t n = (x1 - next) * w;
        if (n == 0) {
          // At the lower edge a band may need no more.
        } else if (step.opening != nullptr) {
          open(*step.opening, next, x1, pixels.row(slot), u);
        } else {
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
