#include <sterna/nn/linear.h>
#include <sterna/nn/norm.h>
#include <sterna/nn/row_table.h>
#include <sterna/nn/unit.h>
#include <sterna/predictor/pointer_predictor.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace sterna::predictor {

using nn::Executor;
using nn::Mat;
using nn::Workspace;

namespace {

void expect(size_t found, size_t expected, const char* what) {
  if (found == expected) return;
  throw Error(std::string("predictor: ") + what + ": expected " + std::to_string(expected) +
              ", found " + std::to_string(found));
}

size_t length(const Query& q) { return 1 + q.question.rows + q.vision.rows; }

float sigmoid(float x) { return 1.0F / (1.0F + std::exp(-x)); }

/// y += sum factor_t rows_t
void add_rows(Mat<const float> rows, const float* factor, float* y, quant::Isa isa) {
  const nn::RowTable table({rows.data, rows.rows * rows.cols}, rows.rows, rows.cols, isa);
  for (size_t t = 0; t < rows.rows; ++t) table.add(t, factor[t], y);
}

}  // namespace

PointerPredictor::PointerPredictor(Weights weights, quant::Isa isa)
    : weights_(std::move(weights)), isa_(isa) {
  const Weights& w = weights_;
  const size_t d = w.answer.size();
  if (d == 0) throw Error("predictor: expected an answer token, found none");
  expect(w.question.m(), d, "question projection outputs");
  expect(w.vision.m(), d, "vision projection outputs");
  for (size_t i = 0; i < w.blocks.size(); ++i) {
    w.blocks[i].check(d, "predictor: block " + std::to_string(i));
  }
  expect(w.norm.size(), d, "final norm size");
  expect(w.head.k(), d, "head inputs");
  expect(w.pointer_query.k(), d, "pointer query inputs");
  expect(w.pointer_key.k(), d, "pointer key inputs");
  expect(w.pointer_key.m(), w.pointer_query.m(), "pointer key outputs");
  if (w.pointer_query.m() == 0) throw Error("predictor: expected a pointer width above 0");
  expect(w.gate.k(), d, "gate inputs");
  expect(w.gate.m(), 1, "gate outputs");
  if (w.read.m() == 0 && w.read_gate.m() == 0) return;
  expect(w.read.m(), d, "read outputs");
  expect(w.read.k(), w.vision.k(), "read inputs");
  expect(w.read_gate.m(), d, "read gate outputs");
  expect(w.read_gate.k(), d, "read gate inputs");
}

void PointerPredictor::check(const Query& q) const {
  expect(q.question.cols, question_width(), "question width");
  expect(q.vision.cols, vision_width(), "vision width");
  expect(q.meaning.cols, dim(), "meaning width");
  expect(q.meaning.rows, q.vision.rows, "meanings");
  expect(q.meaning.stride, q.meaning.cols, "meaning stride");
  expect(q.vision.stride, q.vision.cols, "vision stride");
  if (q.question.rows == 0) throw Error("predictor: expected question tokens, found none");
  if (q.vision.rows == 0) throw Error("predictor: expected vision tokens, found none");
}

void PointerPredictor::forward(std::span<const Query> queries, Mat<float> out,
                               const Executor& executor, Workspace& workspace,
                               float head_scale) const {
  const Weights& w = weights_;
  const size_t n = queries.size(), d = width();
  expect(out.rows, n, "output rows");
  expect(out.cols, dim(), "output columns");
  if (n == 0) return;
  const Workspace::Frame frame(workspace);
  const std::span<uint32_t> starts(workspace.mat<uint32_t>(1, n + 1).data, n + 1);
  starts[0] = 0;
  for (size_t i = 0; i < n; ++i) {
    check(queries[i]);
    const size_t end = starts[i] + length(queries[i]);
    if (end > UINT32_MAX) throw Error("predictor: expected fewer than 2^32 tokens in a batch");
    starts[i + 1] = static_cast<uint32_t>(end);
  }

  // z = [a; W_q h + b_q; W_v v + b_v]
  const Mat<float> z = workspace.mat<float>(starts[n], d);
  for (size_t i = 0; i < n; ++i) {
    const Query& q = queries[i];
    std::copy_n(w.answer.data(), d, z.row(starts[i]));
    const Mat<float> question = z.slice_rows(starts[i] + 1, q.question.rows);
    const Mat<float> vision = z.slice_rows(starts[i + 1] - q.vision.rows, q.vision.rows);
    nn::apply(w.question, q.question, question, executor, workspace);
    // Several questions about one scene share its projected tokens.
    const bool again = i > 0 && q.vision.data == queries[i - 1].vision.data &&
                       q.vision.rows == queries[i - 1].vision.rows;
    if (again) {
      const Mat<float> last = z.slice_rows(starts[i] - q.vision.rows, q.vision.rows);
      std::copy_n(last.data, q.vision.rows * d, vision.data);
    } else {
      nn::apply(w.vision, q.vision, vision, executor, workspace);
    }
  }
  for (const nn::TernaryBlock& block : w.blocks) {
    block.forward(z, starts, executor, workspace, isa_);
  }
  nn::rms_norm(z, w.norm, nn::TernaryBlock::kEps, z, executor, isa_);

  // Where the pointer points, and what it finds there.
  const Mat<float> z0 = workspace.mat<float>(n, d);
  for (size_t i = 0; i < n; ++i) std::copy_n(z.row(starts[i]), d, z0.row(i));
  const size_t c = w.pointer_query.m();
  const Mat<float> ask = workspace.mat<float>(n, c);
  const Mat<float> gate = workspace.mat<float>(n, 1);
  const Mat<float> said = workspace.mat<float>(n, dim());
  const Mat<float> looked = workspace.mat<float>(n, vision_width());
  std::fill_n(said.data, n * dim(), 0.0F);
  std::fill_n(looked.data, n * vision_width(), 0.0F);
  nn::apply(w.pointer_query, z0, ask, executor, workspace);
  nn::apply(w.gate, z0, gate, executor, workspace);
  for (size_t i = 0; i < n; ++i) {
    const Workspace::Frame keys_frame(workspace);
    const Query& q = queries[i];
    const Mat<float> keys = workspace.mat<float>(q.vision.rows, c);
    const Mat<float> alpha = workspace.mat<float>(1, q.vision.rows);
    nn::apply(w.pointer_key, z.slice_rows(starts[i + 1] - q.vision.rows, q.vision.rows), keys,
              executor, workspace);
    point(keys, ask.row(i), alpha, executor);
    add_rows(q.vision, alpha.data, looked.row(i), isa_);
    const float open = sigmoid(*gate.row(i));
    for (size_t t = 0; t < alpha.cols; ++t) alpha.data[t] *= open;
    add_rows(q.meaning, alpha.data, said.row(i), isa_);
  }
  if (w.read.m() > 0) read(looked, z0, executor, workspace);
  nn::apply(w.head, z0, out, executor, workspace);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < dim(); ++j) out.row(i)[j] = out.row(i)[j] * head_scale + said.row(i)[j];
    nn::l2_normalize(out.row(i), dim());
  }
}

// z_0 += sigmoid(W_rg z_0 + b_rg) * W_r looked
void PointerPredictor::read(Mat<const float> looked, Mat<float> z0, const Executor& executor,
                            Workspace& workspace) const {
  const Mat<float> found = workspace.mat<float>(z0.rows, z0.cols);
  const Mat<float> gate = workspace.mat<float>(z0.rows, z0.cols);
  nn::apply(weights_.read, looked, found, executor, workspace);
  nn::apply(weights_.read_gate, z0, gate, executor, workspace);
  for (size_t i = 0; i < z0.rows * z0.cols; ++i) {
    z0.data[i] = std::fma(sigmoid(gate.data[i]), found.data[i], z0.data[i]);
  }
}

// alpha = softmax(ask . key / sqrt(c))
void PointerPredictor::point(Mat<const float> keys, const float* ask, Mat<float> alpha,
                             const Executor& executor) const {
  const float scale = 1.0F / std::sqrt(static_cast<float>(keys.cols));
  for (size_t t = 0; t < keys.rows; ++t) {
    float dot = 0;
    for (size_t j = 0; j < keys.cols; ++j) dot = std::fma(ask[j], keys.row(t)[j], dot);
    alpha.data[t] = dot * scale;
  }
  nn::softmax(alpha, alpha, executor, isa_);
}

}  // namespace sterna::predictor
