#include <sterna/nn/activation.h>
#include <sterna/nn/linear.h>
#include <sterna/predictor/pointer_predictor.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <cstdint>
#include <span>

#include "grounded.h"

// What the predictor's blocks read: answer token, words, places (pointer_predictor.h).
namespace sterna::predictor {

using nn::Executor;
using nn::Mat;
using nn::Workspace;

PointerPredictor::Tokens PointerPredictor::room(std::span<const Query> queries,
                                                Workspace& workspace) const {
  const size_t n = queries.size();
  Tokens out;
  out.starts = {workspace.mat<uint32_t>(1, n + 1).data, n + 1};
  out.scene = {workspace.mat<uint32_t>(1, n).data, n};
  out.starts[0] = 0;
  for (size_t i = 0; i < n; ++i) {
    const Query& q = queries[i];
    const size_t end = out.starts[i] + 1 + q.question.rows + q.vision.rows;
    if (end > UINT32_MAX) throw Error("predictor: expected fewer than 2^32 tokens in a batch");
    out.starts[i + 1] = static_cast<uint32_t>(end);
    const bool again = i > 0 && q.vision.data == queries[i - 1].vision.data &&
                       q.found_in().data == queries[i - 1].found_in().data &&
                       q.vision.rows == queries[i - 1].vision.rows;
    out.scene[i] = again ? out.scene[i - 1] : static_cast<uint32_t>(i);
  }
  const size_t rows = out.starts[n];
  out.z = workspace.mat<float>(rows, width());
  out.word = workspace.mat<float>(rows, kWordFound);
  out.place = workspace.mat<float>(rows, kPlaceFound);
  out.ground = workspace.mat<float>(weights_.ground.empty() ? 0 : rows, dim());
  return out;
}

Mat<const float> PointerPredictor::there(std::span<const Query> queries, const Tokens& tokens,
                                         size_t i) const {
  const size_t places = queries[i].vision.rows;
  if (tokens.ground.rows == 0) return queries[i].found_in();
  return tokens.ground.slice_rows(tokens.starts[tokens.scene[i] + 1] - places, places);
}

// z = [a; W_q h + b_q + W_wf f_word; W_v v + b_v + W_pf f_place]
void PointerPredictor::fill(std::span<const Query> queries, const Tokens& tokens,
                            const Executor& executor, Workspace& workspace) const {
  const Weights& w = weights_;
  const std::span<const uint32_t> starts = tokens.starts;
  size_t most = 0;
  for (const Query& q : queries) most = std::max(most, q.vision.rows);
  const Workspace::Frame frame(workspace);
  const Mat<float> projected = workspace.mat<float>(most, width());
  for (size_t i = 0; i < queries.size(); ++i) {
    const Workspace::Frame query_frame(workspace);
    const Query& q = queries[i];
    const size_t words = q.question.rows, places = q.vision.rows, at = starts[i + 1] - places;
    const Mat<float> question = tokens.z.slice_rows(starts[i] + 1, words);
    const Mat<float> vision = tokens.z.slice_rows(at, places);
    const Mat<float> place = tokens.place.slice_rows(at, places);
    const Mat<float> word = tokens.word.slice_rows(starts[i] + 1, words);
    const Mat<float> more = workspace.mat<float>(words, width());
    // Several questions about one scene share its projected tokens, and what lies there.
    const bool again = tokens.scene[i] != i;
    if (!w.ground.empty() && !again) {
      w.ground.forward(q.vision, q.found_in(), tokens.ground.slice_rows(at, places), executor,
                       workspace, isa_);
    }
    Query found_in = q;
    found_in.meaning = there(queries, tokens, i);
    std::copy_n(w.answer.data(), width(), tokens.z.row(starts[i]));
    grounded(found_in, place, word, workspace, isa_);
    nn::apply(w.question, q.question, question, executor, workspace);
    nn::apply(w.word_found, word, more, executor, workspace);
    nn::add(more, question, executor, isa_);
    if (!again) {
      nn::apply(w.vision, q.vision, projected.slice_rows(0, places), executor, workspace);
    }
    nn::apply(w.place_found, place, vision, executor, workspace);
    nn::add(projected.slice_rows(0, places), vision, executor, isa_);
  }
}

}  // namespace sterna::predictor
