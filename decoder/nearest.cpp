#include <sterna/decoder/nearest.h>
#include <sterna/nn/norm.h>
#include <sterna/quant/error.h>

#include <cmath>
#include <string>

namespace sterna::decoder {

using nn::Mat;

namespace {

/// By what the best one's probability p and the others' grow, so that the best one's odds become
/// (p / (1 - p))^slope.
struct Growth {
  float best = 1, others = 1;
  Growth(float p, float slope) {
    if (slope == 1 || !(p < 1)) return;
    const float rest = 1 - p, q = 1 / (1 + std::pow(rest / p, slope));
    best = q / p;
    others = (1 - q) / rest;
  }
};

}  // namespace

NearestAnswer::NearestAnswer(float scale, float sure_threshold, float slope)
    : scale_(scale), sure_threshold_(sure_threshold), slope_(slope) {
  if (!(scale > 0) || !std::isfinite(scale)) {
    throw Error("decoder: expected a scale above 0, found " + std::to_string(scale));
  }
  if (!(slope > 0 && slope <= 1)) {
    throw Error("decoder: expected a slope above 0, up to 1, found " + std::to_string(slope));
  }
  if (!(sure_threshold >= 0 && sure_threshold <= 1)) {
    throw Error("decoder: expected a threshold in 0..1, found " + std::to_string(sure_threshold));
  }
}

bool NearestAnswer::decode(std::span<const float> x, const nn::RowTable& table,
                           std::span<Scored> best, size_t& decodes, const nn::Executor& executor,
                           nn::Workspace& workspace) const {
  const size_t n = table.rows();
  if (n == 0) throw Error("decoder: expected at least one candidate answer, found none");
  if (table.cols() != x.size()) {
    throw Error("decoder: expected answers of width " + std::to_string(x.size()) + ", found " +
                std::to_string(table.cols()));
  }
  if (best.empty() || best.size() > n) {
    throw Error("decoder: expected to list 1.." + std::to_string(n) + " answers, found " +
                std::to_string(best.size()));
  }
  ++decodes;
  const nn::Workspace::Frame frame(workspace);
  const Mat<float> cosine = workspace.mat<float>(1, n);
  const Mat<float> p = workspace.mat<float>(1, n);
  executor.for_ranges(n, 256, [&](size_t begin, size_t end) {
    table.cosines(x.data(), begin, end - begin, cosine.data + begin);
    for (size_t i = begin; i < end; ++i) p.data[i] = scale_ * cosine.data[i];
  });
  nn::softmax(p, p, executor);

  // Ranked by cosine: far candidates may share a probability of 0.
  size_t found = 0;
  for (size_t i = 0; i < n; ++i) {
    const float c = cosine.data[i];
    if (found == best.size() && !(c > best.back().cosine)) continue;
    size_t at = found < best.size() ? found++ : found - 1;
    for (; at > 0 && c > best[at - 1].cosine; --at) best[at] = best[at - 1];
    best[at] = {i, c, p.data[i]};
  }
  const Growth growth(best[0].probability, slope_);
  best[0].probability *= growth.best;
  for (Scored& other : best.subspan(1)) other.probability *= growth.others;
  return best[0].probability >= sure_threshold_;
}

}  // namespace sterna::decoder
