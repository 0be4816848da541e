#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/mat.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/isa.h>

#include <cstdint>
#include <span>

namespace sterna::nn {

/// Multi-head attention, full (bidirectional), f32 (Vaswani et al., arXiv 1706.03762, eq. 1):
/// head j of out = softmax(scale q_j k_j^T) v_j on columns [j c, (j + 1) c), c = cols / heads <=
/// 256.
///
/// q, out [tq, d]; k, v [tk, d]; views of one fused qkv matrix will do. Keys beyond a length are
/// left out by passing fewer rows of k and v. `out` may not overlap the inputs.
/// Parallel over heads x blocks of queries; the same bits on every instruction set and for any
/// number of threads. Throws sterna::Error if shapes disagree.
void attention(Mat<const float> q, Mat<const float> k, Mat<const float> v, size_t heads,
               float scale, Mat<float> out, const Executor& executor, Workspace& workspace,
               quant::Isa isa = quant::best_isa());

/// Self-attention inside each of several texts or pictures laid end to end: rows
/// [starts[i], starts[i + 1]) attend to one another only. `starts` rises from 0 to q.rows.
void attention(Mat<const float> q, Mat<const float> k, Mat<const float> v, size_t heads,
               float scale, std::span<const uint32_t> starts, Mat<float> out,
               const Executor& executor, Workspace& workspace, quant::Isa isa = quant::best_isa());

/// Which keys a query sees beside its own: those at most `back` positions before it and `ahead`
/// positions after it. The defaults see all; causal attention is ahead = 0, a window of w tokens
/// either way back = ahead = w.
struct Reach {
  static constexpr uint32_t kAll = UINT32_MAX;
  uint32_t back = kAll, ahead = kAll;
  bool all() const { return back == kAll && ahead == kAll; }
};

/// Texts or pictures laid end to end: sequence i is rows [starts[i], starts[i + 1]), starts rise
/// from 0 to t. `positions` [t] rise inside a sequence; they need not be dense (tokens that are
/// padding are left out, those behind them keep their places).
struct Sequences {
  std::span<const uint32_t> starts;
  std::span<const uint32_t> positions;   // may be empty where all sees all
  std::span<const uint8_t> hidden = {};  // [t] or empty: 1 for a token that others don't see
};

/// Self-attention with grouped keys (Ainslie et al., arXiv 2305.13245): q, out [t, heads c],
/// k, v [t, kv_heads c]; query head j reads key head j / (heads / kv_heads). Each query sees what
/// `reach` allows of its own sequence; one that sees nothing gives zeros.
struct GroupedAttention {
  size_t heads = 1, kv_heads = 1;  // kv_heads divides heads
  float scale = 1;
  Reach reach;
  /// Where all sees all, in sequences long enough for it to be faster: q, k, v and the
  /// probabilities rounded to bf16 for the products, whose sums and the softmax stay f32
  /// (elsewhere, nothing changes). Results then differ between instruction sets as bf16 linear maps
  /// do. scale > 0.
  bool bf16 = false;
};
void attention(Mat<const float> q, Mat<const float> k, Mat<const float> v,
               const GroupedAttention& kind, const Sequences& sequences, Mat<float> out,
               const Executor& executor, Workspace& workspace, quant::Isa isa = quant::best_isa());

}  // namespace sterna::nn
