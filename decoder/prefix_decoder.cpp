#include <sterna/decoder/prefix_decoder.h>
#include <sterna/nn/linear.h>
#include <sterna/nn/norm.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "writing.h"

namespace sterna::decoder {

using nn::Executor;
using nn::Mat;
using nn::Workspace;

namespace {

constexpr SizeCheck expect{"prefix decoder"};

}  // namespace

PrefixDecoder::PrefixDecoder(Weights weights, size_t length, quant::Isa isa)
    : weights_(std::move(weights)), length_(length), isa_(isa) {
  const Weights& w = weights_;
  const size_t d = w.blocks.width(), v = w.pieces.m();
  if (w.blocks.blocks() == 0 || d == 0 || length < 2)
    throw Error("prefix decoder: expected blocks, a width, a length above 1");
  if (w.prefix.m() == 0 || w.prefix.m() % d != 0) {
    throw Error("prefix decoder: prefix outputs: expected a multiple of " + std::to_string(d) +
                ", found " + std::to_string(w.prefix.m()));
  }
  expect("width of the pieces", d, w.pieces.k());
  expect("size of the norm", d, w.norm.gain.size());
  const auto inside = [v](uint32_t id) { return id < v; };
  if (!inside(w.end) || !std::ranges::all_of(w.closed, inside)) {
    throw Error("prefix decoder: expected pieces below " + std::to_string(v));
  }
}

// BeamSearch calls the end row 0: the piece that is 0 takes the end's place, and the other way.
uint32_t PrefixDecoder::swapped(uint32_t piece) const {
  if (piece == BeamSearch::kEnd) return weights_.end;
  return piece == weights_.end ? BeamSearch::kEnd : piece;
}

// x [d] = E[id]: the panel of rows that it lies in is read, and one of them taken.
void PrefixDecoder::copy_piece(uint32_t id, float* x, Workspace& workspace) const {
  const quant::WeightView& all = weights_.pieces.weight();
  const Workspace::Frame frame(workspace);
  const size_t first = id / quant::kPanelRows * quant::kPanelRows, k = all.k;
  const size_t rows = std::min(quant::kPanelRows, all.m - first);
  const size_t groups = all.scale.size() / all.m;
  quant::WeightView panel = all;
  panel.m = rows;
  panel.data = all.data.subspan(quant::weight_bytes(all.type, first, k),
                                quant::weight_bytes(all.type, rows, k));
  panel.scale = all.scale.subspan(first * groups, rows * groups);
  const Mat<float> read = workspace.mat<float>(rows, k);
  quant::dequantise(panel, {read.data, rows * k});
  std::copy_n(read.row(id - first), k, x);
}

nn::Rotation PrefixDecoder::rotation(std::span<const uint32_t> positions,
                                     Workspace& workspace) const {
  const size_t t = positions.size(), turned = 2 * weights_.frequencies.size();
  const Mat<float> cos = workspace.mat<float>(t, turned), sin = workspace.mat<float>(t, turned);
  nn::fill_rotation(weights_.frequencies, positions, weights_.pairing, cos, sin);
  return {cos, sin, weights_.pairing};
}

// The positions that the embedding fills; the last one stays in w.x.
void PrefixDecoder::lead(std::span<const float> embedding, Writing& w, const Executor& executor,
                         Workspace& workspace) const {
  const Workspace::Frame frame(workspace);
  const size_t d = w.x.cols, p = weights_.prefix.m() / d;
  const Mat<float> x = workspace.mat<float>(p, d);
  nn::apply(weights_.prefix, {embedding.data(), 1, embedding.size()}, {x.data, 1, p * d}, executor,
            workspace);
  const auto positions = workspace.array<uint32_t>(p);
  std::iota(positions.begin(), positions.end(), 0U);
  const nn::Rotation turn = rotation(positions, workspace);
  weights_.blocks.start(x, w.caches.now(), {&turn, 1}, executor, workspace);
  std::copy_n(x.row(p - 1), d, w.x.data);
}

// The last piece of every live text.
void PrefixDecoder::follow(Writing& w, const Executor& executor, Workspace& workspace) const {
  const Workspace::Frame frame(workspace);
  const auto live = w.beams.live();
  const size_t p = weights_.prefix.m() / w.x.cols, at = w.beams.pieces() - 1;
  for (size_t i = 0; i < live.size(); ++i)
    copy_piece(swapped(live[i].rows[at]), w.x.row(i), workspace);
  const auto positions = workspace.array<uint32_t>(live.size());
  std::ranges::fill(positions, static_cast<uint32_t>(p + at));
  const nn::Rotation turn = rotation(positions, workspace);
  weights_.blocks.step(w.x.slice_rows(0, live.size()), w.caches.now(), {&turn, 1}, executor,
                       workspace);
}

void PrefixDecoder::grow(Writing& w, const Executor& executor, Workspace& workspace) const {
  constexpr float kNever = -1e30F;
  const Workspace::Frame frame(workspace);
  const size_t n = w.beams.live().size();
  const Mat<float> z = workspace.mat<float>(n, w.x.cols);
  const Mat<float> p = workspace.mat<float>(n, weights_.pieces.m());
  nn::apply(weights_.norm, w.x.slice_rows(0, n), z, executor, isa_);
  nn::apply(weights_.pieces, z, p, executor, workspace);
  for (size_t i = 0; i < n; ++i) {
    for (const uint32_t id : weights_.closed) p.row(i)[id] = kNever;
    std::swap(p.row(i)[BeamSearch::kEnd], p.row(i)[weights_.end]);
    if (w.beams.pieces() == 0) p.row(i)[BeamSearch::kEnd] = kNever;  // a text has a piece
  }
  nn::softmax(p, p, executor, isa_);
  for (size_t i = 0; i < n; ++i) {  // of a file that closes all pieces, each would have a share
    for (const uint32_t id : weights_.closed) p.row(i)[swapped(id)] = 0;
    if (w.beams.pieces() == 0) p.row(i)[BeamSearch::kEnd] = 0;
  }
  w.beams.step(p);
  w.caches.follow(w.beams);
}

size_t PrefixDecoder::generate(std::span<const float> embedding, std::span<GeneratedText> best,
                               const Executor& executor, Workspace& workspace) const {
  expect("width of the embedding", dim(), embedding.size());
  check_beams("prefix decoder", best.size());
  const Mat<uint32_t> ids = workspace.mat<uint32_t>(best.size(), length_);  // the caller's
  const Workspace::Frame frame(workspace);
  const nn::Transformer& blocks = weights_.blocks;
  const size_t d = blocks.width();
  Writing w(best.size(), length_, weights_.prefix.m() / d + length_, blocks.blocks(), d,
            blocks.key_width(0), workspace);
  lead(embedding, w, executor, workspace);
  return write_texts(
      w, ids, best, [&] { grow(w, executor, workspace); },
      [&] { follow(w, executor, workspace); }, [&](uint32_t row) { return swapped(row); });
}

}  // namespace sterna::decoder
