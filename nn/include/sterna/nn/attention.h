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

}  // namespace sterna::nn
