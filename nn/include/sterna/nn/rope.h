#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/mat.h>

#include <cstdint>
#include <span>
#include <vector>

// Rotary position embeddings (Su et al., arXiv 2104.09864), f32.
namespace sterna::nn {

/// Which two columns of a head turn together: j and j + r/2 (Llama, Gemma), or 2j and 2j + 1
/// (RoFormer, V-JEPA).
enum class Pairing { halves, neighbours };

/// The angles of t tokens, column by column: for a pair (a, b)
///   x[a] <- x[a] cos[a] - x[b] sin[a],  x[b] <- x[b] cos[b] + x[a] sin[b].
/// A true rotation has equal angles at a and b; V-JEPA 2 was trained with other ones.
struct Rotation {
  Mat<const float> cos, sin;  // [t, r]; r even, at most a head's width
  Pairing pairing = Pairing::halves;
};

/// Turns the first r columns of each head of x [t, heads c] in place; the others stay.
/// Throws sterna::Error if shapes disagree.
void rotate(Mat<float> x, size_t heads, const Rotation& rotation, const Executor& executor);

/// Llama 3's stretching of long waves (meta-llama/llama-models, `apply_scaling`; transformers'
/// `_compute_llama3_parameters`); factor 1 leaves them alone.
struct RopeScaling {
  double factor = 1, low_freq_factor = 1, high_freq_factor = 4, original_positions = 8192;
};

/// base^(-2j / r) for j < r / 2, in f32 as the reference computes it.
std::vector<float> rope_frequencies(size_t r, double base, const RopeScaling& scaling = {});

/// cos and sin [t, 2 f] of `frequencies` [f] at `positions` [t]: columns j and j + f hold the same
/// angle (Pairing::halves), or 2j and 2j + 1 (Pairing::neighbours).
void fill_rotation(std::span<const float> frequencies, std::span<const uint32_t> positions,
                   Pairing pairing, Mat<float> cos, Mat<float> sin);

}  // namespace sterna::nn
