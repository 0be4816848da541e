#include <sterna/nn/linear.h>
#include <sterna/nn/unit.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "towers.h"

namespace sterna::models {

std::span<float> follow(std::span<const HeadStep> steps, std::span<const float> x,
                        const nn::Executor& executor, nn::Workspace& workspace, quant::Isa isa) {
  nn::Mat<float> row = workspace.mat<float>(1, x.size());
  std::copy(x.begin(), x.end(), row.data);
  for (const HeadStep& step : steps) {
    nn::apply(step.norm, row, row, executor, isa);
    if (step.map) {
      if (step.map->k() != row.cols) {
        throw Error("head: expected a map of " + std::to_string(row.cols) + " columns, found " +
                    std::to_string(step.map->k()));
      }
      const nn::Mat<float> next = workspace.mat<float>(1, step.map->m());
      nn::apply(*step.map, row, next, executor, workspace);
      row = next;
    }
    if (step.activation) nn::activate(*step.activation, row, row, executor, isa);
    if (step.tanh) {
      for (size_t i = 0; i < row.cols; ++i) row.data[i] = std::tanh(row.data[i]);
    }
    if (step.unit) nn::l2_normalize(row.data, row.cols);
  }
  return {row.data, row.cols};
}

std::span<float> pool_picture(const VisionPart& part, nn::Mat<const float> tokens,
                              const nn::Executor& executor, nn::Workspace& workspace,
                              quant::Isa isa) {
  const size_t d = tokens.cols;
  const nn::Mat<float> one = workspace.mat<float>(1, d);
  if (part.attention) {
    part.attention->forward(tokens, {one.data, d}, executor, workspace, isa);
  } else if (part.pool == VisionPart::Pool::none || part.pool == VisionPart::Pool::patches) {
    const size_t first = part.pool == VisionPart::Pool::patches ? part.vit.prefix() : 0;
    language::pool_text(language::TextPool::mean, tokens.slice_rows(first, tokens.rows - first), {},
                        {one.data, d});
  } else {
    std::copy_n(tokens.row(0), d, one.data);
  }
  return follow(part.head.pooled, {one.data, d}, executor, workspace, isa);
}

namespace {

size_t width_behind(const Head& head, size_t width) {
  for (const auto* steps : {&head.pooled, &head.embedding}) {
    for (const HeadStep& step : *steps) {
      if (step.map) width = step.map->m();
    }
  }
  return width;
}

}  // namespace

size_t embedding_width(const VisionPart& part) {
  return width_behind(part.head, part.vit.width());
}

size_t embedding_width(const TextPart& part) {
  return width_behind(part.head, part.tower.width() * (part.pool_end ? 1 : part.pools.size()));
}

void score(const Logits& logits, std::span<float> cosines) {
  const double scale = std::exp(static_cast<double>(logits.scale));
  if (logits.bias) {
    for (float& c : cosines) {
      const double logit = scale * static_cast<double>(c) + static_cast<double>(*logits.bias);
      c = static_cast<float>(1 / (1 + std::exp(-logit)));
    }
    return;
  }
  if (cosines.empty()) return;
  const double most = static_cast<double>(std::ranges::max(cosines));
  const auto weight = [&](float c) { return std::exp(scale * (static_cast<double>(c) - most)); };
  double sum = 0;
  for (const float c : cosines) sum += weight(c);
  for (float& c : cosines) c = static_cast<float>(weight(c) / sum);
}

std::vector<float> pool_text(const TextPart& part, nn::Mat<const float> states,
                             std::span<const uint32_t> ids, std::span<const uint8_t> hidden) {
  const size_t d = states.cols;
  if (part.pool_end) {
    const auto found =
        part.end ? std::find(ids.begin(), ids.end(), *part.end) : std::ranges::max_element(ids);
    const auto row = found == ids.end() ? 0 : static_cast<size_t>(found - ids.begin());
    return {states.row(row), states.row(row) + d};
  }
  std::vector<float> pooled(part.pools.size() * d);
  for (size_t i = 0; i < part.pools.size(); ++i)
    language::pool_text(part.pools[i], states, hidden, std::span(pooled).subspan(i * d, d));
  return pooled;
}

}  // namespace sterna::models
