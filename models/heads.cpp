#include <sterna/nn/linear.h>
#include <sterna/nn/unit.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "towers.h"

namespace sterna::models {

std::vector<float> follow(std::span<const HeadStep> steps, std::span<const float> x,
                          const nn::Executor& executor, nn::Workspace& workspace, quant::Isa isa) {
  std::vector<float> y(x.begin(), x.end());
  for (const HeadStep& step : steps) {
    nn::Mat<float> row(y.data(), 1, y.size());
    nn::apply(step.norm, row, row, executor, isa);
    if (step.map) {
      if (step.map->k() != y.size()) {
        throw Error("head: expected a map of " + std::to_string(y.size()) + " columns, found " +
                    std::to_string(step.map->k()));
      }
      std::vector<float> next(step.map->m());
      nn::apply(*step.map, row, {next.data(), 1, next.size()}, executor, workspace);
      y = std::move(next);
      row = {y.data(), 1, y.size()};
    }
    if (step.activation) nn::activate(*step.activation, row, row, executor, isa);
    if (step.tanh) {
      for (float& v : y) v = std::tanh(v);
    }
    if (step.unit) nn::l2_normalize(y.data(), y.size());
  }
  return y;
}

size_t embedding_width(const TextPart& part) {
  size_t width = part.tower.width() * (part.pool_end ? 1 : part.pools.size());
  for (const auto* steps : {&part.head.pooled, &part.head.embedding}) {
    for (const HeadStep& step : *steps) {
      if (step.map) width = step.map->m();
    }
  }
  return width;
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
