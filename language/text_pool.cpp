#include <sterna/language/text_pool.h>

#include <algorithm>
#include <cassert>
#include <cmath>

namespace sterna::language {

void pool_text(TextPool mode, nn::Mat<const float> states, std::span<const uint8_t> hidden,
               std::span<float> out) noexcept {
  assert(states.rows != 0 && out.size() == states.cols);
  assert(hidden.empty() || hidden.size() == states.rows);
  const auto is_seen = [&](size_t i) { return hidden.empty() || hidden[i] == 0; };
  size_t first = states.rows, last = 0, seen = 0;
  for (size_t i = 0; i < states.rows; ++i) {
    if (!is_seen(i)) continue;
    first = std::min(first, i);
    last = i;
    ++seen;
  }
  const auto copy = [&](size_t row) { std::copy_n(states.row(row), states.cols, out.data()); };
  if (mode == TextPool::first) return copy(0);
  if (mode == TextPool::last) return copy(states.rows - 1);
  if (seen == 0) return std::fill(out.begin(), out.end(), 0.0F);
  if (mode == TextPool::first_seen) return copy(first);
  if (mode == TextPool::last_seen) return copy(last);

  for (size_t j = 0; j < states.cols; ++j) {
    double sum = 0, weights = 0;
    float top = states.row(first)[j];
    for (size_t i = first; i <= last; ++i) {
      if (!is_seen(i)) continue;
      const double weight =
          mode == TextPool::weighted_mean ? static_cast<double>(i - first + 1) : 1.0;
      sum += weight * static_cast<double>(states.row(i)[j]);
      weights += weight;
      top = std::max(top, states.row(i)[j]);
    }
    if (mode == TextPool::mean_sqrt) weights = std::sqrt(weights);
    out[j] = mode == TextPool::max ? top : static_cast<float>(sum / weights);
  }
}

}  // namespace sterna::language
