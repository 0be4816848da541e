#include <sterna/nn/linear.h>
#include <sterna/nn/norm.h>
#include <sterna/predictor/referents.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>

#include "grounded.h"
#include "layout.h"

namespace sterna::predictor {

using nn::Mat;

static_assert(Referents::kFound == kWordFound);

namespace {

/// out [cols] = sum share_j x_j
void weigh(std::span<const float> share, Mat<const float> x, float* out) {
  std::fill_n(out, x.cols, 0.0F);
  for (size_t j = 0; j < x.rows; ++j) {
    const float* const row = x.row(j);
    for (size_t i = 0; i < x.cols; ++i) out[i] = std::fma(share[j], row[i], out[i]);
  }
}

}  // namespace

void Referents::check(size_t d, size_t question_width) const {
  constexpr SizeCheck expect{"predictor"};
  const size_t h = out.k();
  if (h == 0) throw Error("predictor: expected a width of what is told of referents above 0");
  expect("referents' roles", kRoles, role.m());
  expect("referents' role inputs", question_width, role.k());
  expect("referents' sides", 2, side.size());
  expect("referents' direction outputs", 2, direction.m());
  expect("referents' direction inputs", question_width, direction.k());
  expect("referents' told outputs", h, told.m());
  expect("referents' told inputs", kTold, told.k());
  expect("referents' ask outputs", h, ask.m());
  expect("referents' ask inputs", question_width + d, ask.k());
  expect("referents' out outputs", d, out.m());
  expect("referents' look outputs", kLook, look.m());
  expect("referents' look inputs", question_width + d, look.k());
}

float Referents::forward(Mat<const float> question, Mat<const float> found, const float* answer,
                         size_t columns, size_t absent, std::span<float> score,
                         std::span<float> more, const nn::Executor& executor,
                         nn::Workspace& workspace) const {
  const nn::Workspace::Frame frame(workspace);
  const size_t words = question.rows, width = question.cols, d = more.size(), h = out.k();

  // Which words they are.
  const Mat<float> by_word = workspace.mat<float>(words, kRoles);
  nn::apply(role, question, by_word, executor, workspace);
  const Mat<float> share = workspace.mat<float>(kRoles, words);
  for (size_t k = 0; k < kRoles; ++k) {
    for (size_t j = 0; j < words; ++j) share.row(k)[j] = by_word.row(j)[k];
  }
  const auto settle = [&](size_t k) {
    const Mat<float> row = share.slice_rows(k, 1);
    nn::softmax(row, row, executor, quant::Isa::scalar);
    return std::span<const float>(row.data, words);
  };
  const std::span<const float> relation = settle(2);
  float at = 0;
  for (size_t j = 0; j < words; ++j) at = std::fma(relation[j], static_cast<float>(j), at);
  for (size_t j = 0; j < words; ++j) {
    const float behind = std::tanh(static_cast<float>(j) - at);
    for (size_t k = 0; k < 2; ++k) share.row(k)[j] += side[k] * behind;
  }
  const Mat<float> asked = workspace.mat<float>(1, width + d);
  weigh(relation, question, asked.data);
  std::copy_n(answer, d, asked.data + width);

  // Where they were found, and how far the first lies that way from the second.
  const Mat<float> facts = workspace.mat<float>(1, kTold);
  float *const first = facts.data, *const second = first + kFound;
  weigh(settle(0), found, first);
  weigh(settle(1), found, second);
  const Mat<float> u = workspace.mat<float>(1, 2);
  nn::apply(direction, {asked.data, 1, width}, u, executor, workspace);
  const float along = u.data[0] * (first[0] - second[0]) + u.data[1] * (first[1] - second[1]);
  facts.data[kTold - 2] = along;
  facts.data[kTold - 1] = std::tanh(along);

  const Mat<float> hidden = workspace.mat<float>(1, h), gate = workspace.mat<float>(1, h);
  const Mat<float> weight = workspace.mat<float>(1, kLook);
  nn::apply(told, facts, hidden, executor, workspace);
  nn::apply(ask, asked, gate, executor, workspace);
  nn::apply(look, asked, weight, executor, workspace);
  for (size_t i = 0; i < h; ++i) hidden.data[i] *= std::tanh(gate.data[i]);
  nn::apply(out, hidden, {more.data(), 1, d}, executor, workspace);

  // What lies beside the second.
  if (columns > 0) {
    const size_t rows = (score.size() + (absent != SIZE_MAX ? 1 : 0)) / columns;
    for (size_t t = 0; t < score.size(); ++t) {
      const size_t place = t < absent ? t : t + 1;
      const float x = 5 * middle(place % columns, columns) - second[0];
      const float y = 5 * middle(place / columns, rows) - second[1];
      score[t] += weight.data[0] * std::tanh(u.data[0] * x + u.data[1] * y) +
                  weight.data[1] * std::exp(-(x * x + y * y));
    }
  }
  return weight.data[2];
}

}  // namespace sterna::predictor
