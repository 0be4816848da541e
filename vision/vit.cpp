#include <sterna/nn/linear.h>
#include <sterna/quant/error.h>
#include <sterna/vision/vit.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include "vit_positions.h"

namespace sterna::vision {

namespace {

constexpr size_t kChannels = 3;

[[noreturn]] void fail(const std::string& what, size_t expected, size_t found) {
  throw Error("vision tower: " + what + ": expected " + std::to_string(expected) + ", found " +
              std::to_string(found));
}

}  // namespace

Vit::Vit(VitWeights weights, quant::Isa isa) : weights_(std::move(weights)), isa_(isa) {
  const VitWeights& w = weights_;
  const size_t d = width();
  if (d == 0 || w.patch_size == 0 || w.tubelet == 0) {
    throw Error("vision tower: expected a width, a patch size and a tubelet, found zero");
  }
  const size_t inputs = kChannels * w.tubelet * w.patch_size * w.patch_size;
  if (w.patch.m() != d) fail("rows of the patch map", d, w.patch.m());
  if (w.patch.k() != inputs) fail("columns of the patch map", inputs, w.patch.k());
  if (w.picture_patch) {
    if (w.picture_patch->m() != d) fail("rows of the picture's patch map", d, w.picture_patch->m());
    if (w.picture_patch->k() * w.tubelet != inputs)
      fail("columns of the picture's patch map", inputs / w.tubelet, w.picture_patch->k());
  }
  if (w.prefix.size() % d != 0) fail("numbers in prefix tokens", d, w.prefix.size());
  if (w.placed > prefix()) fail("prefix tokens with positions", prefix(), w.placed);
  if (!w.position.empty()) {
    const size_t rows = w.position.size() / d;
    const size_t places = rows - std::min(rows, w.placed);
    grid_ = static_cast<size_t>(std::lround(std::sqrt(static_cast<double>(places))));
    if (grid_ == 0 || grid_ * grid_ != places || rows * d != w.position.size()) {
      throw Error("vision tower: positions: expected a square grid, found " +
                  std::to_string(places));
    }
  }
  if (w.plane && w.plane->head % 4 != 0) {
    throw Error("vision tower: rotary positions: expected heads of a multiple of 4 columns");
  }
  if (w.rope && (w.rope->grid == 0 || prefix() != 0)) {
    throw Error("vision tower: rotary positions: expected a grid and no tokens before the patches");
  }
}

size_t Vit::side() const {
  return weights_.patch_size * (weights_.rope ? weights_.rope->grid : grid_);
}

size_t Vit::tokens(const Clip& clip) const {
  const size_t p = weights_.patch_size;
  if (clip.frames == 0 || clip.height < p || clip.width < p) {
    throw Error("vision tower: expected pictures of at least " + std::to_string(p) + " x " +
                std::to_string(p) + ", found " + std::to_string(clip.width) + " x " +
                std::to_string(clip.height) + " and " + std::to_string(clip.frames) + " frames");
  }
  // Too few are repeated `tubelet` times, all of them: each tubelet of the repeats is one.
  const size_t n = weights_.tubelet, times = clip.frames < n ? clip.frames : clip.frames / n;
  return prefix() + times * (clip.height / p) * (clip.width / p);
}

/// Patches become rows in the order of the convolution's weights, then one linear map.
void Vit::embed_patches(const Clip& clip, nn::Mat<float> out, const nn::Executor& executor,
                        nn::Workspace& workspace) const {
  const nn::Workspace::Frame frame(workspace);
  const bool picture = clip.frames == 1 && weights_.picture_patch;
  const quant::Linear& map = picture ? *weights_.picture_patch : weights_.patch;
  const size_t p = weights_.patch_size, n = picture ? 1 : weights_.tubelet;
  const size_t rows = clip.height / p, cols = clip.width / p, plane = clip.height * clip.width;
  const auto patches = workspace.mat<float>(out.rows, map.k());
  executor.for_ranges(out.rows, 16, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const size_t time = i / (rows * cols), y = i / cols % rows * p, x = i % cols * p;
      float* to = patches.row(i);
      for (size_t c = 0; c < kChannels; ++c) {
        for (size_t f = 0; f < n; ++f) {
          const size_t picture = (time * n + f) % clip.frames;  // too few are repeated
          const float* from = clip.data + (picture * kChannels + c) * plane + y * clip.width + x;
          for (size_t r = 0; r < p; ++r, to += p) std::copy_n(from + r * clip.width, p, to);
        }
      }
    }
  });
  nn::apply(map, patches, out, executor, workspace);
}

void Vit::add_positions(size_t rows, size_t cols, nn::Mat<float> x,
                        nn::Workspace& workspace) const {
  const nn::Workspace::Frame frame(workspace);
  const size_t d = width(), placed = weights_.placed;
  const nn::Mat<const float> table(weights_.position.data(), placed + grid_ * grid_, d);
  const auto add = [d](const float* from, float* to) {
    for (size_t j = 0; j < d; ++j) to[j] += from[j];
  };
  for (size_t i = 0; i < placed; ++i) add(table.row(i), x.row(i));
  nn::Mat<const float> places = table.slice_rows(placed, grid_ * grid_);
  if (rows != grid_ || cols != grid_) {
    const auto resized = workspace.mat<float>(rows * cols, d);
    interpolate_positions(places, grid_, weights_.filter, rows, cols, resized, workspace);
    places = resized;
  }
  const size_t first = prefix();
  for (size_t i = 0; first + i < x.rows; ++i) add(places.row(i % places.rows), x.row(first + i));
}

void Vit::forward(const Clip& clip, nn::Mat<float> out, const nn::Executor& executor,
                  nn::Workspace& workspace) const {
  hidden(clip, blocks(), out, executor, workspace);
  nn::apply(weights_.final_norm, out, out, executor, isa_);
}

void Vit::hidden(const Clip& clip, size_t depth, nn::Mat<float> out, const nn::Executor& executor,
                 nn::Workspace& workspace) const {
  const size_t n = tokens(clip), d = width(), first = prefix(), p = weights_.patch_size;
  if (out.rows != clip.count * n) fail("rows of the output", clip.count * n, out.rows);
  if (out.cols != d || out.stride != d) fail("columns of the output", d, out.cols);
  const nn::Workspace::Frame frame(workspace);
  const std::span<uint32_t> starts = workspace.array<uint32_t>(clip.count + 1);
  for (size_t i = 0; i < clip.count; ++i) {
    const nn::Mat<float> x = out.slice_rows(i * n, n);
    Clip one = clip;
    one.data += i * clip.frames * kChannels * clip.height * clip.width;
    std::copy(weights_.prefix.begin(), weights_.prefix.end(), x.data);
    embed_patches(one, x.slice_rows(first, n - first), executor, workspace);
    if (grid_ != 0) add_positions(clip.height / p, clip.width / p, x, workspace);
    starts[i + 1] = static_cast<uint32_t>((i + 1) * n);
  }
  nn::apply(weights_.embedding_norm, out, out, executor, isa_);
  const nn::Rotation rotation = turn(clip, workspace);
  weights_.blocks.forward(out, {starts, {}, {}}, {&rotation, 1}, executor, workspace, depth);
}

/// The rotary positions of all tokens of all clips, or none.
nn::Rotation Vit::turn(const Clip& clip, nn::Workspace& workspace) const {
  if (!weights_.rope && !weights_.plane) return {};
  const size_t n = tokens(clip), first = prefix(), p = weights_.patch_size;
  const size_t c =
      weights_.rope ? video_rope_columns(weights_.rope->head) : weights_.plane->head;
  const auto cos = workspace.mat<float>(clip.count * n, c);
  const auto sin = workspace.mat<float>(clip.count * n, c);
  if (weights_.rope) {
    const std::span<uint32_t> numbers = workspace.array<uint32_t>(n);
    std::iota(numbers.begin(), numbers.end(), 0U);
    fill_video_rope(*weights_.rope, clip.height / p, clip.width / p, numbers,
                    cos.slice_rows(0, n), sin.slice_rows(0, n));
  } else {
    std::fill_n(cos.data, first * c, 1.0F);
    std::fill_n(sin.data, first * c, 0.0F);
    fill_plane_rope(*weights_.plane, clip.height / p, clip.width / p,
                    cos.slice_rows(first, n - first), sin.slice_rows(first, n - first));
  }
  for (size_t i = 1; i < clip.count; ++i) {
    std::copy_n(cos.data, n * c, cos.row(i * n));
    std::copy_n(sin.data, n * c, sin.row(i * n));
  }
  return {cos, sin, weights_.rope ? nn::Pairing::neighbours : nn::Pairing::halves};
}

void AttentionPool::forward(nn::Mat<const float> tokens, std::span<float> to,
                            const nn::Executor& executor, nn::Workspace& workspace,
                            quant::Isa isa) const {
  const size_t d = probe.size();
  if (tokens.cols != d || to.size() != d) fail("width of the pooled tokens", d, tokens.cols);
  const nn::Workspace::Frame frame(workspace);
  const auto map = [&](const nn::PreciseLinear& linear, nn::Mat<const float> x) {
    const auto y = workspace.mat<float>(x.rows, linear.m());
    nn::apply(linear, x, y, executor, workspace, isa);
    return y;
  };
  // y = W_o attention(probe, tokens);  y += MLP(LN(y))
  const auto attended = workspace.mat<float>(1, d), normed = workspace.mat<float>(1, d);
  const auto query = map(q, {probe.data(), 1, d});
  nn::attention(query, map(k, tokens), map(v, tokens), heads,
                1.0F / std::sqrt(static_cast<float>(d / heads)), attended, executor, workspace,
                isa);
  const auto y = map(out, attended);
  nn::apply(norm, y, normed, executor, isa);
  const auto hidden = map(up, normed);
  nn::activate(activation, hidden, hidden, executor, isa);
  nn::add(map(down, hidden), y, executor, isa);
  std::copy_n(y.data, d, to.data());
}

}  // namespace sterna::vision
