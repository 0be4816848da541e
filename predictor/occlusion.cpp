#include <sterna/predictor/occlusion.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <memory>
#include <string>

namespace sterna::predictor {

using nn::Mat;

namespace {

constexpr size_t kTokensABatch = 4096;  // about 40 MB of scratch at d = 256, MLP 1024

void expect(bool ok, const char* what, size_t found) {
  if (!ok)
    throw Error(std::string("occlusion: expected ") + what + ", found " + std::to_string(found));
}

/// The rows of `from` but for `left_out`, packed.
Mat<const float> without(Mat<const float> from, size_t left_out, nn::Workspace& workspace) {
  const Mat<float> to = workspace.mat<float>(from.rows - 1, from.cols);
  for (size_t i = 0; i < to.rows; ++i) {
    std::copy_n(from.row(i < left_out ? i : i + 1), from.cols, to.row(i));
  }
  return to;
}

float dot(const float* a, const float* b, size_t n) noexcept {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return static_cast<float>(sum);
}

}  // namespace

float occlusion(const PointerPredictor& predictor, const Query& query,
                std::span<const float> target, std::span<float> places,
                const nn::Executor& executor, nn::Workspace& workspace) {
  const size_t tokens = query.vision.rows, dim = predictor.dim();
  expect(target.size() == dim, "a target as wide as the predictions", target.size());
  expect(tokens >= 2, "at least 2 vision tokens", tokens);
  expect(places.size() <= tokens, "at most a place a vision token", places.size());
  expect(query.meaning.rows == tokens, "a meaning a vision token", query.meaning.rows);
  expect(query.found_in().rows == tokens, "a meaning a vision token", query.found_in().rows);
  expect(query.absent == SIZE_MAX, "no place absent before", query.absent);
  expect(query.columns == 0 || places.size() < tokens, "a token of the whole picture", 0);

  const nn::Workspace::Frame frame(workspace);
  const Mat<float> whole = workspace.mat<float>(1, dim);
  predictor.forward({&query, 1}, whole, executor, workspace);
  const float cosine = dot(whole.data, target.data(), dim);

  const size_t first = tokens - places.size();
  const size_t a_pass = 1 + query.question.rows + tokens;
  const size_t batch = std::max<size_t>(1, kTokensABatch / a_pass);
  for (size_t begin = 0; begin < places.size(); begin += batch) {
    const nn::Workspace::Frame batch_frame(workspace);
    const size_t n = std::min(batch, places.size() - begin);
    const std::span<Query> queries(reinterpret_cast<Query*>(workspace.bytes(n * sizeof(Query))), n);
    std::uninitialized_value_construct(queries.begin(), queries.end());
    for (size_t i = 0; i < n; ++i) {
      const size_t left_out = first + begin + i;
      queries[i] = {query.question, without(query.vision, left_out, workspace),
                    without(query.meaning, left_out, workspace), query.columns,
                    query.columns > 0 ? left_out - 1 : SIZE_MAX};
      if (query.fine.rows > 0) queries[i].fine = without(query.fine, left_out, workspace);
    }
    const Mat<float> predicted = workspace.mat<float>(n, dim);
    predictor.forward(queries, predicted, executor, workspace);
    for (size_t i = 0; i < n; ++i) {
      places[begin + i] = cosine - dot(predicted.row(i), target.data(), dim);
    }
  }
  return cosine;
}

}  // namespace sterna::predictor
