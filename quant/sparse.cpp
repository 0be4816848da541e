#include "sparse.h"

#include <sterna/quant/half.h>

#include <algorithm>
#include <cmath>

namespace sterna::quant {

namespace {

// Index of the weight that the pattern singles out, in a group of `count`: the smallest for t34, or
// `count` (a padded one) where there is one; the largest for t14. The first among equals.
size_t chosen(Type type, const float* w, size_t count) noexcept {
  if (type == Type::t34 && count < kGroupInputs) return count;
  size_t best = 0;
  for (size_t i = 1; i < count; ++i) {
    const float a = std::fabs(w[i]), b = std::fabs(w[best]);
    if (type == Type::t34 ? a < b : a > b) best = i;
  }
  return best;
}

}  // namespace

uint16_t quantise_sparse(Type type, std::span<const float> w, int8_t* q) noexcept {
  double sum = 0;
  size_t kept = 0;
  for (size_t c = 0; c < w.size(); c += kGroupInputs) {
    const size_t count = std::min(kGroupInputs, w.size() - c);
    const size_t at = chosen(type, &w[c], count);
    for (size_t i = 0; i < count; ++i) {
      const bool keep = (i == at) == (type == Type::t14);
      q[c + i] = static_cast<int8_t>(!keep ? 0 : w[c + i] < 0 ? -1 : 1);
      if (!keep) continue;
      sum += std::fabs(static_cast<double>(w[c + i]));
      ++kept;
    }
  }
  return f32_to_f16(static_cast<float>(sum / static_cast<double>(kept)));
}

int sparse_state_of(Type type, const int8_t* q, size_t count) noexcept {
  for (int state = 0; state < sparse_states(type); ++state) {
    size_t i = 0;
    while (i < count && sparse_weight(type, state, i) == q[i]) ++i;
    if (i == count) return state;
  }
  return -1;
}

void set_sparse_state(Type type, int state, uint8_t* lane, size_t g) noexcept {
  const size_t step = g / 4;
  const auto set = [&](size_t line, int bits) {
    uint8_t& byte = lane[line * kLineBytes + g % 4];
    byte = static_cast<uint8_t>(byte | bits);
  };
  if (type == Type::t14) {
    if (step < 6) return set(step / 2, state << 3 * (step % 2));
    const int last = step == 6 ? state : state << 3;
    for (size_t line = 0; line < 3; ++line) set(line, (last >> 2 * line & 3) << 6);
    return;
  }
  if (step < 5) return set(step, state);
  if (step < 7) {
    set(step == 5 ? 0 : 2, (state & 7) << 5);
    return set(step == 5 ? 1 : 3, state >> 3 << 6);
  }
  set(4, (state & 7) << 5);
  set(1, (state >> 3 & 1) << 5);
  set(3, (state >> 4) << 5);
}

void place_sparse_row(Type type, std::span<const int8_t> q, size_t row, uint8_t* panel) noexcept {
  const size_t inputs = block_inputs(type);
  for (size_t c = 0; c < q.size(); c += kGroupInputs) {
    const int state = sparse_state_of(type, &q[c], std::min(kGroupInputs, q.size() - c));
    uint8_t* lane = panel + c / inputs * block_bytes(type) + 4 * row;
    set_sparse_state(type, state, lane, c % inputs / kGroupInputs);
  }
}

}  // namespace sterna::quant
