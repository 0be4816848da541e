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

void SemanticHead::forward(Mat<const float> features, Mat<float> meaning, Mat<float> confidence,
                           const nn::Executor& executor, nn::Workspace& workspace) const {
  const size_t n = features.rows, classes = classifier_.m();
  if (meaning.rows != n || meaning.cols != dim() || confidence.rows != n ||
      confidence.cols != kConfidences) {
    throw Error("semantic head: expected outputs [" + std::to_string(n) + ", " +
                std::to_string(dim()) + "] and [" + std::to_string(n) + ", 2], found [" +
                std::to_string(meaning.rows) + ", " + std::to_string(meaning.cols) + "] and [" +
                std::to_string(confidence.rows) + ", " + std::to_string(confidence.cols) + "]");
  }
  nn::Workspace::Frame frame(workspace);
  const Mat<float> p = workspace.mat<float>(n, classes);
  nn::apply(classifier_, features, p, executor, workspace);
  nn::softmax(p, p, executor, isa_);
  const Mat<size_t> best = workspace.mat<size_t>(n, top_);
  executor.for_ranges(n, 8, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const float* pi = p.row(i);
      size_t* top = best.row(i);
      largest(pi, classes, top_, top);
      float sum = 0;
      for (size_t k = 0; k < top_; ++k) sum += pi[top[k]];
      confidence.row(i)[0] = pi[top[0]];
      confidence.row(i)[1] = sum;

      float* s = meaning.row(i);
      std::fill_n(s, dim(), 0.0F);
      for (size_t k = 0; k < top_; ++k) embedding_.add(top[k], pi[top[k]] / sum, s);
      nn::l2_normalize(s, dim());
    }
  });
}

}  // namespace sterna::vision
