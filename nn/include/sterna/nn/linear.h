#pragma once

#include <sterna/nn/activation.h>
#include <sterna/nn/executor.h>
#include <sterna/nn/mat.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/linear.h>

#include <span>

namespace sterna::nn {

/// y [n, m] = x [n, k] W^T + bias. Activations are prepared once in blocks of tokens, then outputs
/// are shared out over blocks x rows of W. y may not overlap x. The split into blocks does not
/// depend on the number of threads, so neither do the results. Throws sterna::Error if shapes
/// disagree.
void apply(const quant::Linear& linear, Mat<const float> x, Mat<float> y, const Executor& executor,
           Workspace& workspace);

/// One of the maps of the same x, and where its result goes; y <- then(y), if there is one, while y
/// is still in a cache.
struct Product {
  const quant::Linear* linear;
  Mat<float> y;
  Elementwise then = nullptr;
};

/// The same for several maps at once: those that prepare x alike share what was prepared.
void apply(std::span<const Product> products, Mat<const float> x, const Executor& executor,
           Workspace& workspace);

}  // namespace sterna::nn
