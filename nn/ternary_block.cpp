#include <sterna/nn/activation.h>
#include <sterna/nn/attention.h>
#include <sterna/nn/linear.h>
#include <sterna/nn/norm.h>
#include <sterna/nn/ternary_block.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <cassert>
#include <cmath>

namespace sterna::nn {

void TernaryBlock::check(size_t d, const std::string& where) const {
  const auto expect = [&](size_t found, size_t expected, const char* what) {
    if (found == expected) return;
    throw Error(where + ": " + what + ": expected " + std::to_string(expected) + ", found " +
                std::to_string(found));
  };
  if (heads == 0 || d == 0 || d % heads != 0) {
    throw Error(where + ": expected a width that is a multiple of " + std::to_string(heads) +
                " heads, found " + std::to_string(d));
  }
  expect(attn_norm.size(), d, "attn_norm size");
  expect(qkv.m(), 3 * d, "qkv rows");
  expect(qkv.k(), d, "qkv columns");
  expect(attn_out_norm.size(), d, "attn_out_norm size");
  expect(attn_out.m(), d, "attn_out rows");
  expect(attn_out.k(), d, "attn_out columns");
  expect(mlp_norm.size(), d, "mlp_norm size");
  expect(mlp_up.k(), d, "mlp_up columns");
  expect(mlp_mid_norm.size(), mlp_up.m(), "mlp_mid_norm size");
  expect(mlp_down.m(), d, "mlp_down rows");
  expect(mlp_down.k(), mlp_up.m(), "mlp_down columns");
}

void TernaryBlock::forward(Mat<float> x, std::span<const uint32_t> starts, const Executor& executor,
                           Workspace& workspace, quant::Isa isa) const {
  const Workspace::Frame frame(workspace);
  const size_t t = x.rows, d = x.cols;
  const Mat<float> o = workspace.mat<float>(t, d);
  const Mat<float> wide = workspace.mat<float>(t, 3 * d);
  // o = softmax(q k^T / sqrt(c)) v a head of width c
  project(x, wide, executor, workspace, isa);
  const float scale = 1.0F / std::sqrt(static_cast<float>(d / heads));
  attention(wide.slice_cols(0, d), wide.slice_cols(d, d), wide.slice_cols(2 * d, d), heads, scale,
            starts, o, executor, workspace, isa);
  finish(x, o, executor, workspace, isa);
}

void TernaryBlock::step(Mat<float> x, const KeyValues& cache, const Executor& executor,
                        Workspace& workspace, quant::Isa isa) const {
  assert(cache.past < cache.capacity && cache.rows.rows >= x.rows * cache.capacity);
  const Workspace::Frame frame(workspace);
  const size_t n = x.rows, d = x.cols, seen = cache.past + 1;
  const Mat<float> o = workspace.mat<float>(n, d);
  const Mat<float> wide = workspace.mat<float>(n, 3 * d);
  project(x, wide, executor, workspace, isa);
  const float scale = 1.0F / std::sqrt(static_cast<float>(d / heads));
  for (size_t i = 0; i < n; ++i) {
    const Mat<float> kv = cache.sequence(i, seen);
    std::copy_n(wide.row(i) + d, 2 * d, kv.row(cache.past));
    attention(wide.slice_rows(i, 1).slice_cols(0, d), kv.slice_cols(0, d), kv.slice_cols(d, d),
              heads, scale, o.slice_rows(i, 1), executor, workspace, isa);
  }
  finish(x, o, executor, workspace, isa);
}

void TernaryBlock::project(Mat<const float> x, Mat<float> wide, const Executor& executor,
                           Workspace& workspace, quant::Isa isa) const {
  const Workspace::Frame frame(workspace);
  const Mat<float> a = workspace.mat<float>(x.rows, x.cols);
  rms_norm(x, attn_norm, kEps, a, executor, isa);
  apply(qkv, a, wide, executor, workspace);
}

void TernaryBlock::finish(Mat<float> x, Mat<float> o, const Executor& executor,
                          Workspace& workspace, quant::Isa isa) const {
  const Workspace::Frame frame(workspace);
  const size_t t = x.rows, d = x.cols, f = mlp_up.m();
  const Mat<float> a = workspace.mat<float>(t, d);
  const Mat<float> u = workspace.mat<float>(t, f);
  // x += W_o RMSNorm(o)
  rms_norm(o, attn_out_norm, kEps, o, executor, isa);
  apply(attn_out, o, a, executor, workspace);
  add(a, x, executor, isa);

  // u = max(W_up RMSNorm(x), 0)^2;  x += W_down RMSNorm(u)
  rms_norm(x, mlp_norm, kEps, a, executor, isa);
  apply(mlp_up, a, u, executor, workspace);
  relu_squared(u, u, executor, isa);
  rms_norm(u, mlp_mid_norm, kEps, u, executor, isa);
  apply(mlp_down, u, a, executor, workspace);
  add(a, x, executor, isa);
}

}  // namespace sterna::nn
