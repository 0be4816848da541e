#include <sterna/nn/linear.h>
#include <sterna/nn/norm.h>
#include <sterna/nn/unit.h>
#include <sterna/quant/error.h>
#include <sterna/vision/semantic.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace sterna::vision {

using nn::Mat;

namespace {

// The k largest of p [n], best first, equal ones by index.
void largest(const float* p, size_t n, size_t k, size_t* best) noexcept {
  size_t found = 0;
  for (size_t i = 0; i < n; ++i) {
    if (found == k && !(p[i] > p[best[k - 1]])) continue;
    size_t at = found < k ? found++ : k - 1;
    for (; at > 0 && p[i] > p[best[at - 1]]; --at) best[at] = best[at - 1];
    best[at] = i;
  }
}

}  // namespace

SemanticHead::SemanticHead(quant::Linear classifier, nn::RowTable embedding, size_t top,
                           quant::Isa isa)
    : classifier_(std::move(classifier)), embedding_(embedding), top_(top), isa_(isa) {
  if (classifier_.m() != embedding_.rows()) {
    throw Error("semantic head: expected one class embedding for each of " +
                std::to_string(classifier_.m()) + " classes, found " +
                std::to_string(embedding_.rows()));
  }
  if (top_ == 0 || top_ > classifier_.m()) {
    throw Error("semantic head: expected top classes in 1.." + std::to_string(classifier_.m()) +
                ", found " + std::to_string(top_));
  }
}

// One row of p [classes] -> meaning [dim], confidence [2]; best [top] is room to work in.
void SemanticHead::mix(const float* p, size_t* best, float* meaning,
                       float* confidence) const noexcept {
  largest(p, classifier_.m(), top_, best);
  float sum = 0;
  for (size_t k = 0; k < top_; ++k) sum += p[best[k]];
  confidence[0] = p[best[0]];
  confidence[1] = sum;
  std::fill_n(meaning, dim(), 0.0F);
  for (size_t k = 0; k < top_; ++k) embedding_.add(best[k], p[best[k]] / sum, meaning);
  nn::l2_normalize(meaning, dim());
}

void SemanticHead::forward(Mat<const float> features, Mat<float> meaning, Mat<float> confidence,
                           const nn::Executor& executor, nn::Workspace& workspace) const {
  const size_t n = features.rows;
  if (meaning.rows != n || meaning.cols != dim() || confidence.rows != n ||
      confidence.cols != kConfidences) {
    throw Error("semantic head: expected outputs [" + std::to_string(n) + ", " +
                std::to_string(dim()) + "] and [" + std::to_string(n) + ", 2], found [" +
                std::to_string(meaning.rows) + ", " + std::to_string(meaning.cols) + "] and [" +
                std::to_string(confidence.rows) + ", " + std::to_string(confidence.cols) + "]");
  }
  const nn::Workspace::Frame frame(workspace);
  const Mat<float> p = workspace.mat<float>(n, classifier_.m());
  nn::apply(classifier_, features, p, executor, workspace);
  nn::softmax(p, p, executor, isa_);
  const Mat<size_t> best = workspace.mat<size_t>(n, top_);
  executor.for_ranges(n, 8, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i)
      mix(p.row(i), best.row(i), meaning.row(i), confidence.row(i));
  });
}

void SemanticHead::forward_parts(Mat<const float> features, size_t d, Mat<float> meaning,
                                 const nn::Executor& executor, nn::Workspace& workspace) const {
  const auto g = static_cast<size_t>(std::lround(std::sqrt(static_cast<double>(meaning.rows))));
  constexpr SizeCheck expect{"semantic head"};
  expect("places of a square picture", g * g, meaning.rows);
  expect("parts of the places", meaning.rows * d * d, features.rows);
  expect("meaning columns", dim(), meaning.cols);
  const nn::Workspace::Frame frame(workspace);
  const size_t classes = classifier_.m();
  const Mat<float> p = workspace.mat<float>(features.rows, classes);
  nn::apply(classifier_, features, p, executor, workspace);
  nn::softmax(p, p, executor, isa_);
  const Mat<size_t> best = workspace.mat<size_t>(meaning.rows, top_);
  executor.for_ranges(meaning.rows, 8, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      // The place's first part holds the sum, by as much too large as there are parts: the mixture
      // is of shares.
      const size_t corner = (i / g * d * g + i % g) * d;
      float* sum = p.row(corner);
      for (size_t part = 1; part < d * d; ++part) {
        const float* more = p.row(corner + part / d * d * g + part % d);
        for (size_t c = 0; c < classes; ++c) sum[c] += more[c];
      }
      float confidence[kConfidences];
      mix(sum, best.row(i), meaning.row(i), confidence);
    }
  });
}

}  // namespace sterna::vision
