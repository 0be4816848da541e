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

/// A hidden layer h [n, f]: then(up x), or then(gate x) * up x where there is a gate.
struct Hidden {
  const quant::Linear* up;
  const quant::Linear* gate = nullptr;
  Elementwise then = nullptr;
};

/// y [n, m] = h W_down^T + bias. A part of h at a time is made, and prepared for W_down, while it
/// is in a cache: as a whole, in f32, it would leave a level-2 cache (ViT-B: 2.4 MB). Bit for bit
/// what the maps give one by one. False, with nothing done, where W_down wants whole tokens (int8)
/// or the workspace has an observer, who wants to see h. y may be x. Throws as apply().
bool apply_through(const Hidden& hidden, const quant::Linear& down, Mat<const float> x,
                   Mat<float> y, const Executor& executor, Workspace& workspace,
                   quant::Isa isa = quant::best_isa());

}  // namespace sterna::nn
