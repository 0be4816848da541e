#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/mat.h>
#include <sterna/nn/ternary_block.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/linear.h>

#include <cstddef>
#include <span>
#include <vector>

namespace sterna::predictor {

/// What lies at the places of a picture, for words to be found there: what each place says, s,
/// which of small things is vague and of the ground beside a thing names the thing, plus what the
/// picture's tokens v make of it. The first place, the picture as a whole, stays as it is:
///   g_0 = s_0;  g_i = L2norm(s_i + W RMSNorm(blocks(v))_i + b)
/// tools/train/found.py `Ground`. Const after construction, shared by threads.
struct Ground {
  std::vector<nn::TernaryBlock> blocks;  // of width d
  std::span<const float> norm;           // [d]
  quant::Linear map;                     // [dim, d] + bias

  /// Of a file that has no such part.
  bool empty() const { return map.m() == 0; }

  /// Throws sterna::Error unless every shape fits tokens of width d and meanings of width dim.
  void check(size_t d, size_t dim) const;

  /// vision [T, d], meaning [T, dim] -> out [T, dim], T >= 1.
  void forward(nn::Mat<const float> vision, nn::Mat<const float> meaning, nn::Mat<float> out,
               const nn::Executor& executor, nn::Workspace& workspace, quant::Isa isa) const;
};

}  // namespace sterna::predictor
