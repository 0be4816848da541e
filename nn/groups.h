#pragma once

#include <sterna/nn/attention.h>
#include <sterna/nn/mat.h>
#include <sterna/nn/rope.h>
#include <sterna/nn/workspace.h>

#include <cstddef>
#include <cstdint>
#include <span>

// A batch of sequences in groups that pass through a network one after the other.
namespace sterna::nn {

/// Whether `starts` rise from 0 to `rows`.
bool rises(std::span<const uint32_t> starts, size_t rows) noexcept;

/// Tokens of a group: their activations stay in a level-2 cache. A larger batch would stream them
/// through memory for every operation.
inline constexpr size_t kGroupTokens = 192;

/// Groups of consecutive sequences: i holds sequences groups[i] .. groups[i + 1], at least
/// kGroupTokens tokens but for the last. `starts` rise from 0.
std::span<const size_t> group(std::span<const uint32_t> starts, Workspace& workspace);

/// Sequences [first, last) of a batch, as a batch of their own over the same memory.
struct Group {
  Mat<float> x;
  Sequences sequences;
  std::span<const Rotation> rotations;

  Group(Mat<float> all, const Sequences& of, std::span<const Rotation> turns, size_t first,
        size_t last, Workspace& workspace);
};

}  // namespace sterna::nn
