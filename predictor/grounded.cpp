#include "grounded.h"

#include <sterna/nn/row_table.h>
#include <sterna/nn/unit.h>

#include <algorithm>
#include <numeric>
#include <span>

namespace sterna::predictor {

using nn::Mat;

namespace {

constexpr float kSharp = 30;  // of cosines that become shares of places

/// c [T] = cosines of `word` with the meanings, less their mean over the places, which is returned.
float centred(const float* word, const nn::RowTable& meanings, Mat<float> unit, float* c) {
  std::copy_n(word, unit.cols, unit.data);
  nn::l2_normalize(unit.data, unit.cols);
  const size_t tokens = meanings.rows();
  meanings.cosines(unit.data, 0, tokens, c);
  if (tokens < 2) return 0;
  const float mean = std::accumulate(c + 1, c + tokens, 0.0F) / static_cast<float>(tokens - 1);
  for (size_t t = 0; t < tokens; ++t) c[t] -= mean;
  return mean;
}

}  // namespace

void grounded(const Query& q, Mat<float> places, Mat<float> words, nn::Workspace& workspace,
              quant::Isa isa) {
  const nn::Workspace::Frame frame(workspace);
  const size_t tokens = q.meaning.rows, dim = q.meaning.cols;
  const nn::RowTable meanings({q.meaning.data, tokens * dim}, tokens, dim, isa);
  const Mat<float> unit = workspace.mat<float>(1, dim), asked = workspace.mat<float>(1, dim);
  const Mat<float> cosine = workspace.mat<float>(1, tokens);
  std::fill_n(asked.data, dim, 0.0F);
  for (size_t j = 0; j < q.question.rows; ++j) {
    const float* const h = q.question.row(j);
    for (size_t i = 0; i < dim; ++i) asked.data[i] += h[i];
    float* const c = cosine.data;
    const float mean = centred(h, meanings, unit, c);
    for (size_t t = 0; t < tokens; ++t) {
      float& best = places.row(t)[1];
      best = j == 0 ? kCosineGain * c[t] : std::max(best, kCosineGain * c[t]);
    }
    float* const told = words.row(j);
    if (tokens < 2) {
      std::fill_n(told, kWordFound, 0.0F);
      continue;
    }
    told[kLayout] = kCosineGain * *std::max_element(c + 1, c + tokens);
    told[kLayout + 1] = kCosineGain * mean;
    for (size_t t = 1; t < tokens; ++t) c[t] *= kSharp;
    layout({c + 1, tokens - 1}, q.columns, q.absent, told);
  }
  centred(asked.data, meanings, unit, cosine.data);
  for (size_t t = 0; t < tokens; ++t) places.row(t)[0] = kCosineGain * cosine.data[t];
}

}  // namespace sterna::predictor
