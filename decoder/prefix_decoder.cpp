#include <sterna/decoder/prefix_decoder.h>
#include <sterna/nn/linear.h>
#include <sterna/nn/norm.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>

#include <algorithm>
#include <string>
#include <utility>

#include "beam_search.h"

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
  if (d == 0 || length < 2) throw Error("prefix decoder: expected a width, a length above 1");
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

// BeamSearch calls the end row 0: the piece that is 0 takes the end's place.
uint32_t PrefixDecoder::piece_of(uint32_t row) const {
  if (row == BeamSearch::kEnd) return weights_.end;
  return row == weights_.end ? BeamSearch::kEnd : row;
}

// x [d] = E[id]: the panel of rows that it lies in is read, and one of them taken.
void PrefixDecoder::add_piece(uint32_t id, float* x, Workspace& workspace) const {
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

void PrefixDecoder::last_states(Mat<const float> lead, const BeamSearch& beams, Mat<float> z,
                                const Executor& executor, Workspace& workspace) const {
  const Workspace::Frame frame(workspace);
  const auto live = beams.live();
  const size_t d = z.cols, n = live.size(), each = lead.rows + beams.pieces(), t = n * each;
  const Mat<float> x = workspace.mat<float>(t, d);
  const auto positions = workspace.array<uint32_t>(t), starts = workspace.array<uint32_t>(n + 1);
  for (size_t i = 0; i < n; ++i) {
    starts[i + 1] = static_cast<uint32_t>((i + 1) * each);
    for (size_t j = 0; j < each; ++j) positions[i * each + j] = static_cast<uint32_t>(j);
    std::copy_n(lead.data, lead.rows * d, x.row(i * each));
    for (size_t j = 0; j < beams.pieces(); ++j)
      add_piece(piece_of(live[i].rows[j]), x.row(i * each + lead.rows + j), workspace);
  }
  const size_t turned = 2 * weights_.frequencies.size();
  const Mat<float> cos = workspace.mat<float>(t, turned), sin = workspace.mat<float>(t, turned);
  nn::fill_rotation(weights_.frequencies, positions, weights_.pairing, cos, sin);
  const nn::Rotation rotation{cos, sin, weights_.pairing};
  weights_.blocks.forward(x, {starts, positions}, {&rotation, 1}, executor, workspace);
  for (size_t i = 0; i < n; ++i) std::copy_n(x.row((i + 1) * each - 1), d, z.row(i));
  nn::apply(weights_.norm, z, z, executor, isa_);
}

void PrefixDecoder::probabilities(Mat<float> z, bool may_end, Mat<float> p,
                                  const Executor& executor, Workspace& workspace) const {
  constexpr float kNever = -1e30F;
  nn::apply(weights_.pieces, z, p, executor, workspace);
  for (size_t i = 0; i < p.rows; ++i) {
    for (const uint32_t id : weights_.closed) p.row(i)[id] = kNever;
    std::swap(p.row(i)[BeamSearch::kEnd], p.row(i)[weights_.end]);
    if (!may_end) p.row(i)[BeamSearch::kEnd] = kNever;
  }
  nn::softmax(p, p, executor, isa_);
}

size_t PrefixDecoder::generate(std::span<const float> embedding, std::span<GeneratedText> best,
                               const Executor& executor, Workspace& workspace) const {
  expect("width of the embedding", dim(), embedding.size());
  if (best.empty() || best.size() > Generator::kMostBeams) {
    throw Error("prefix decoder: expected 1.." + std::to_string(Generator::kMostBeams) +
                " beams, found " + std::to_string(best.size()));
  }
  const Mat<uint32_t> ids = workspace.mat<uint32_t>(best.size(), length_);  // the caller's
  const Workspace::Frame frame(workspace);
  const size_t d = weights_.blocks.width(), v = weights_.pieces.m();
  const Mat<float> lead = workspace.mat<float>(weights_.prefix.m() / d, d);
  const Mat<float> z = workspace.mat<float>(best.size(), d);
  const Mat<float> p = workspace.mat<float>(best.size(), v);
  BeamSearch beams(best.size(), length_, workspace);
  nn::apply(weights_.prefix, {embedding.data(), 1, embedding.size()}, {lead.data, 1, lead.rows * d},
            executor, workspace);
  while (!beams.finished()) {
    const size_t n = beams.live().size();
    last_states(lead, beams, z.slice_rows(0, n), executor, workspace);
    probabilities(z.slice_rows(0, n), beams.pieces() > 0, p.slice_rows(0, n), executor, workspace);
    beams.step(p.slice_rows(0, n));
  }
  const auto texts = beams.result();
  for (size_t i = 0; i < texts.size(); ++i) {
    for (size_t k = 0; k < texts[i].pieces; ++k) ids.row(i)[k] = piece_of(texts[i].rows[k]);
    best[i] = {{ids.row(i), texts[i].pieces}, texts[i].score};
  }
  return texts.size();
}

}  // namespace sterna::decoder
