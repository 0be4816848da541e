#include <sterna/nn/linear.h>
#include <sterna/nn/norm.h>
#include <sterna/predictor/referents.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>

#include "grounded.h"
#include "scalar.h"

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
  expect("referents' roles", kRoles, role.m());
  expect("referents' role inputs", question_width, role.k());
  expect("referents' sides", 3, side.size());
  expect("referents' direction outputs", 2, direction.m());
  expect("referents' direction inputs", question_width, direction.k());
  expect("referents' held outputs", d, held.m());
  expect("referents' held inputs", kHeld, held.k());
  expect("referents' look outputs", kLook, look.m());
  expect("referents' look inputs", question_width + d, look.k());
}

float Referents::forward(Mat<const float> question, Mat<const float> found, const float* answer,
                         size_t columns, size_t absent, std::span<float> score,
                         std::span<float> more, const nn::Executor& executor,
                         nn::Workspace& workspace) const {
  const nn::Workspace::Frame frame(workspace);
  const size_t words = question.rows, width = question.cols, d = more.size();

  // Which words they are.
  const Mat<float> by_word = workspace.mat<float>(words, kRoles);
  nn::apply(role, question, by_word, executor, workspace);
  const Mat<float> share = workspace.mat<float>(kRoles, words);
  for (size_t k = 0; k < kRoles; ++k) {
    for (size_t j = 0; j < words; ++j) share.row(k)[j] = by_word.row(j)[k];
  }
  const float* const ways = share.row(2);
  const float said = sigmoid(*std::max_element(ways, ways + words) + side[2]);
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
  const Mat<float> things = workspace.mat<float>(2, kFound);
  float *const first = things.row(0), *const second = things.row(1);
  weigh(settle(0), found, first);
  weigh(settle(1), found, second);
  const Mat<float> u = workspace.mat<float>(1, 2), weight = workspace.mat<float>(1, kLook);
  nn::apply(direction, {asked.data, 1, width}, u, executor, workspace);
  nn::apply(look, asked, weight, executor, workspace);
  const float along = u.data[0] * (first[0] - second[0]) + u.data[1] * (first[1] - second[1]);
  const float taken = said * sigmoid(weight.data[3]);
  const Mat<float> lie = workspace.mat<float>(1, kHeld);
  lie.data[0] = taken * along;
  lie.data[1] = taken * std::tanh(along);
  nn::apply(held, lie, {more.data(), 1, d}, executor, workspace);

  // What lies beside the second.
  if (columns > 0) {
    const size_t rows = (score.size() + (absent != SIZE_MAX ? 1 : 0)) / columns;
    for (size_t t = 0; t < score.size(); ++t) {
      const size_t place = t < absent ? t : t + 1;
      const float x = 5 * middle(place % columns, columns) - second[0];
      const float y = 5 * middle(place / columns, rows) - second[1];
      score[t] += said * (weight.data[0] * std::tanh(u.data[0] * x + u.data[1] * y) +
                          weight.data[1] * std::exp(-(x * x + y * y)));
    }
  }
  return said * sigmoid(weight.data[2]);
}

}  // namespace sterna::predictor
