#include <sterna/nn/linear.h>
#include <sterna/nn/norm.h>
#include <sterna/nn/row_table.h>
#include <sterna/nn/unit.h>
#include <sterna/predictor/pointer_predictor.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include "grounded.h"
#include "layout.h"
#include "scalar.h"

namespace sterna::predictor {

using nn::Executor;
using nn::Mat;
using nn::Workspace;

namespace {

constexpr SizeCheck expect{"predictor"};

constexpr size_t kCosines = 4;  // after the four that `summarise` writes
static_assert(kCosines + 4 + kLayout == PointerPredictor::kMatches);

nn::RowTable table(Mat<const float> rows, quant::Isa isa) {
  return {{rows.data, rows.rows * rows.cols}, rows.rows, rows.cols, isa};
}

float mean(std::span<const float> x) {
  return std::accumulate(x.begin(), x.end(), 0.0F) / static_cast<float>(x.size());
}

float dot(const float* a, const float* b, size_t n) {
  float sum = 0;
  for (size_t i = 0; i < n; ++i) sum = std::fma(a[i], b[i], sum);
  return sum;
}

/// Largest, mean, log of the mean exponential, mean sigmoid.
void summarise(std::span<const float> score, float* out) {
  const float most = *std::max_element(score.begin(), score.end());
  float exponentials = 0, sigmoids = 0;
  for (const float s : score) {
    exponentials += std::exp(s - most);
    sigmoids += sigmoid(s);
  }
  const auto n = static_cast<float>(score.size());
  out[0] = most;
  out[1] = mean(score);
  out[2] = most + std::log(exponentials / n);
  out[3] = sigmoids / n;
}

}  // namespace

PointerPredictor::PointerPredictor(Weights weights, quant::Isa isa)
    : weights_(std::move(weights)), isa_(isa) {
  const Weights& w = weights_;
  const size_t d = w.answer.size();
  if (d == 0) throw Error("predictor: expected an answer token, found none");
  expect("question projection outputs", d, w.question.m());
  expect("vision projection outputs", d, w.vision.m());
  for (size_t i = 0; i < w.blocks.size(); ++i) {
    w.blocks[i].check(d, "predictor: block " + std::to_string(i));
  }
  expect("final norm size", d, w.norm.size());
  expect("head inputs", d, w.head.k());
  expect("pointer query inputs", d, w.pointer_query.k());
  expect("pointer key inputs", d, w.pointer_key.k());
  expect("pointer key outputs", w.pointer_query.m(), w.pointer_key.m());
  if (w.pointer_query.m() == 0) throw Error("predictor: expected a pointer width above 0");
  expect("gate inputs", d, w.gate.k());
  expect("gate outputs", 1, w.gate.m());
  expect("read outputs", d, w.read.m());
  expect("read inputs", w.vision.k(), w.read.k());
  expect("read gate outputs", d, w.read_gate.m());
  expect("read gate inputs", d, w.read_gate.k());
  expect("match outputs", d, w.match.m());
  expect("match inputs", kMatches, w.match.k());
  expect("word_found outputs", d, w.word_found.m());
  expect("word_found inputs", kWordFound, w.word_found.k());
  expect("place_found outputs", d, w.place_found.m());
  expect("place_found inputs", kPlaceFound, w.place_found.k());
  expect("pointer_found outputs", kPlaceFound, w.pointer_found.m());
  expect("pointer_found inputs", d, w.pointer_found.k());
  expect("question width, which is matched with meanings,", w.head.m(), w.question.k());
  if (!w.ground.empty()) w.ground.check(w.vision.k(), w.head.m());
  if (!w.referents.empty()) w.referents.check(d, w.question.k());
}

void PointerPredictor::check(const Query& q) const {
  expect("question width", question_width(), q.question.cols);
  expect("vision width", vision_width(), q.vision.cols);
  expect("meaning width", dim(), q.meaning.cols);
  expect("meanings", q.vision.rows, q.meaning.rows);
  expect("meaning stride", q.meaning.cols, q.meaning.stride);
  expect("meaning width seen closer", dim(), q.found_in().cols);
  expect("meanings seen closer", q.vision.rows, q.found_in().rows);
  expect("meaning stride seen closer", q.found_in().cols, q.found_in().stride);
  expect("vision stride", q.vision.cols, q.vision.stride);
  if (q.question.rows == 0) throw Error("predictor: expected question tokens, found none");
  if (q.vision.rows == 0) throw Error("predictor: expected vision tokens, found none");
  const size_t places = q.vision.rows - 1 + (q.absent != SIZE_MAX ? 1 : 0);
  if (q.columns > 0) expect("places beside the last whole row of the grid", 0, places % q.columns);
  if (q.absent != SIZE_MAX && q.absent >= places) {
    expect("absent place, at most", places - 1, q.absent);
  }
}

void PointerPredictor::forward(std::span<const Query> queries, Mat<float> out,
                               const Executor& executor, Workspace& workspace,
                               float head_scale) const {
  const Weights& w = weights_;
  const size_t n = queries.size(), d = width();
  expect("output rows", n, out.rows);
  expect("output columns", dim(), out.cols);
  if (n == 0) return;
  const Workspace::Frame frame(workspace);
  for (const Query& q : queries) check(q);
  const Tokens tokens = room(queries, workspace);
  const std::span<const uint32_t> starts = tokens.starts;
  const Mat<float> z = tokens.z;
  fill(queries, tokens, executor, workspace);
  for (const nn::TernaryBlock& block : w.blocks) {
    block.forward(z, starts, executor, workspace, isa_);
  }
  nn::rms_norm(z, w.norm, nn::TernaryBlock::kEps, z, executor, isa_);

  // Where the pointer points, and what it finds there.
  const Mat<float> z0 = workspace.mat<float>(n, d);
  for (size_t i = 0; i < n; ++i) std::copy_n(z.row(starts[i]), d, z0.row(i));
  const size_t c = w.pointer_query.m();
  const Mat<float> ask = workspace.mat<float>(n, c);
  const Mat<float> told = workspace.mat<float>(n, kPlaceFound);
  const Mat<float> gate = workspace.mat<float>(n, 1);
  const Mat<float> said = workspace.mat<float>(n, dim());
  const Mat<float> looked = workspace.mat<float>(n, vision_width());
  const Mat<float> matches = workspace.mat<float>(n, kMatches);
  const bool refers = !w.referents.empty();
  const Mat<float> more = workspace.mat<float>(refers ? n : 0, d);
  const Mat<float> lies = workspace.mat<float>(refers ? n : 0, dim());
  nn::apply(w.pointer_query, z0, ask, executor, workspace);
  nn::apply(w.pointer_found, z0, told, executor, workspace);
  nn::apply(w.gate, z0, gate, executor, workspace);
  const float scale = 1.0F / std::sqrt(static_cast<float>(c));
  for (size_t i = 0; i < n; ++i) {
    const Workspace::Frame keys_frame(workspace);
    const Query& q = queries[i];
    const size_t places = q.vision.rows, first = starts[i + 1] - places;
    const Mat<float> keys = workspace.mat<float>(places, c);
    nn::apply(w.pointer_key, z.slice_rows(first, places), keys, executor, workspace);
    const Mat<float> score = workspace.mat<float>(1, places);
    for (size_t t = 0; t < places; ++t) {
      const float* const f = tokens.place.row(first + t);
      const float asked = std::inner_product(f, f + kPlaceFound, told.row(i), 0.0F);
      score.data[t] = std::fma(dot(ask.row(i), keys.row(t), c), scale, asked);
    }
    float share = 0;
    if (refers) {
      const Mat<const float> word = tokens.word.slice_rows(starts[i] + 1, q.question.rows);
      share =
          w.referents.forward(q.question, word, z0.row(i), q.columns, q.absent,
                              {score.data + 1, places - 1}, {more.row(i), d}, executor, workspace);
    }
    point(q, score, looked.row(i), said.row(i), matches.row(i), executor, workspace);
    if (refers) {
      const nn::RowTable rows = table(there(queries, tokens, i), isa_);
      std::fill_n(lies.row(i), dim(), 0.0F);
      for (size_t t = 0; t < places; ++t) rows.add(t, share * score.data[t], lies.row(i));
    }
  }
  read(looked, matches, z0, executor, workspace);
  if (refers) nn::add(more, z0, executor, isa_);
  nn::apply(w.head, z0, out, executor, workspace);
  for (size_t i = 0; i < n; ++i) {
    const float open = sigmoid(*gate.row(i));
    float *const e = out.row(i), *const p = said.row(i);
    for (size_t j = 0; j < dim(); ++j) e[j] = std::fma(open, p[j], e[j] * head_scale);
    for (size_t j = 0; refers && j < dim(); ++j) e[j] += lies.row(i)[j];
    nn::l2_normalize(e, dim());
  }
}

// looked = sum alpha_i v_i, said = sum alpha_i s_i, matches = m
void PointerPredictor::point(const Query& q, Mat<float> alpha, float* looked, float* said,
                             float* matches, const Executor& executor,
                             Workspace& workspace) const {
  const size_t tokens = alpha.cols;
  summarise({alpha.data, tokens}, matches);
  layout({alpha.data + 1, tokens - 1}, q.columns, q.absent, matches + kCosines + 4);
  nn::softmax(alpha, alpha, executor, isa_);
  const nn::RowTable seen = table(q.vision, isa_), meanings = table(q.meaning, isa_);
  std::fill_n(looked, vision_width(), 0.0F);
  std::fill_n(said, dim(), 0.0F);
  for (size_t t = 0; t < tokens; ++t) {
    seen.add(t, alpha.data[t], looked);
    meanings.add(t, alpha.data[t], said);
  }

  const Mat<float> asked = workspace.mat<float>(1, dim());
  const Mat<float> cosine = workspace.mat<float>(1, tokens);
  std::fill_n(asked.data, dim(), 0.0F);
  for (size_t t = 0; t < q.question.rows; ++t) {
    for (size_t j = 0; j < dim(); ++j) asked.data[j] += q.question.row(t)[j];
  }
  nn::l2_normalize(asked.data, dim());
  meanings.cosines(asked.data, 0, tokens, cosine.data);
  const std::span<const float> cosines(cosine.data, tokens);
  matches[kCosines] = kCosineGain * *std::max_element(cosines.begin(), cosines.end());
  matches[kCosines + 1] = kCosineGain * mean(cosines);
  matches[kCosines + 2] = kCosineGain * std::inner_product(said, said + dim(), asked.data, 0.0F);
  matches[kCosines + 3] = kCosineGain * cosines[0];
}

// z_0 += sigmoid(W_rg z_0 + b_rg) * (W_r looked + W_m matches)
void PointerPredictor::read(Mat<const float> looked, Mat<const float> matches, Mat<float> z0,
                            const Executor& executor, Workspace& workspace) const {
  const Mat<float> found = workspace.mat<float>(z0.rows, z0.cols);
  const Mat<float> matched = workspace.mat<float>(z0.rows, z0.cols);
  const Mat<float> gate = workspace.mat<float>(z0.rows, z0.cols);
  nn::apply(weights_.read, looked, found, executor, workspace);
  nn::apply(weights_.match, matches, matched, executor, workspace);
  nn::apply(weights_.read_gate, z0, gate, executor, workspace);
  for (size_t i = 0; i < z0.rows * z0.cols; ++i) {
    z0.data[i] = std::fma(sigmoid(gate.data[i]), found.data[i] + matched.data[i], z0.data[i]);
  }
}

}  // namespace sterna::predictor
