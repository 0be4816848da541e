#include "groups.h"

#include <algorithm>

namespace sterna::nn {

bool rises(std::span<const uint32_t> starts, size_t rows) noexcept {
  return !starts.empty() && starts.front() == 0 && starts.back() == rows &&
         std::is_sorted(starts.begin(), starts.end());
}

std::span<const size_t> group(std::span<const uint32_t> starts, Workspace& workspace) {
  const std::span<size_t> groups = workspace.array<size_t>(starts.size() + 1);
  size_t n = 0;
  for (size_t i = 1; i < starts.size(); ++i)
    if (starts[i] - starts[groups[n]] >= kGroupTokens || i + 1 == starts.size()) groups[++n] = i;
  return groups.first(n + 1);
}

Group::Group(Mat<float> all, const Sequences& of, std::span<const Rotation> turns, size_t first,
             size_t last, Workspace& workspace) {
  const size_t row = of.starts[first], rows = of.starts[last] - row;
  x = all.slice_rows(row, rows);
  const std::span<uint32_t> starts = workspace.array<uint32_t>(last - first + 1);
  for (size_t i = first; i <= last; ++i) starts[i - first] = of.starts[i] - of.starts[first];
  sequences.starts = starts;
  if (!of.positions.empty()) sequences.positions = of.positions.subspan(row, rows);
  if (!of.hidden.empty()) sequences.hidden = of.hidden.subspan(row, rows);
  const std::span<Rotation> turned = workspace.array<Rotation>(turns.size());
  for (size_t i = 0; i < turns.size(); ++i) {
    if (turns[i].cos.rows == 0) continue;  // named by no block
    turned[i] = {turns[i].cos.slice_rows(row, rows), turns[i].sin.slice_rows(row, rows),
                 turns[i].pairing};
  }
  rotations = turned;
}

}  // namespace sterna::nn
