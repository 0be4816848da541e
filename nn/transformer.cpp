#include <sterna/nn/linear.h>
#include <sterna/nn/norm.h>
#include <sterna/nn/transformer.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "groups.h"
#include "rows.h"

namespace sterna::nn {

namespace {

// In int8, blocks of up to this width make two digits of every token: in few channels errors do not
// average out, and softmax makes much of those of queries and keys.
// tests/models/sweep.py --count 100 --seed 3 has cosines of 0.9975 without. Of a ViT of width 192
// queries, keys and values take 15 % of the time. Ternary blocks were trained with one digit.
constexpr size_t kNarrow = 128, kNarrowForQueries = 256;

SecondDigit second_digit(const PreciseLinear& map, bool narrow) {
  return narrow && map.linear().type() == quant::Type::i8 ? SecondDigit::all
                                                          : SecondDigit::outliers;
}

}  // namespace

void apply(const Norm& norm, Mat<const float> x, Mat<float> y, const Executor& executor,
           quant::Isa isa) noexcept {
  switch (norm.kind) {
    case Norm::Kind::none:
      assert(x.data == y.data);
      return;
    case Norm::Kind::layer:
      return layer_norm(x, norm.gain, norm.bias, norm.eps, y, executor, isa);
    case Norm::Kind::rms:
      return rms_norm(x, norm.gain, norm.eps, y, executor, isa);
  }
}

void Transformer::join(const Residual& residual, Mat<float> y, Mat<float> x,
                       const Executor& executor) const {
  apply(residual.inside, y, y, executor, isa_);
  if (!residual.scale.empty()) {
    const float* scale = residual.scale.data();
    for_rows(y, y, executor, [&](const float* from, float* to) {
      for (size_t j = 0; j < y.cols; ++j) to[j] = from[j] * scale[j];
    });
  }
  add(y, x, executor, isa_);
  apply(residual.after, x, x, executor, isa_);
}

template <class See>
void Transformer::attend(const SelfAttention& part, Mat<float> x,
                         std::span<const Rotation> rotations, const Executor& executor,
                         Workspace& workspace, const See& see) const {
  const Workspace::Frame frame(workspace);
  const size_t t = x.rows, wide = part.q.m(), narrow = part.k.m();
  const size_t heads = part.attention.heads, kv_heads = part.attention.kv_heads, c = wide / heads;
  const auto y = workspace.mat<float>(t, x.cols);
  const auto q = workspace.mat<float>(t, wide);
  const auto k = workspace.mat<float>(t, narrow);
  const auto v = workspace.mat<float>(t, narrow);
  const auto o = workspace.mat<float>(t, wide);

  Mat<const float> u = x;
  if (part.residual.before) {
    apply(part.residual.before, x, y, executor, isa_);
    u = y;
  }
  apply(std::array<PreciseProduct, 3>{{{&part.q, q}, {&part.k, k}, {&part.v, v}}}, u, executor,
        workspace, isa_, second_digit(part.q, x.cols <= kNarrowForQueries));
  // A head's norm sees heads as rows.
  const Mat<float> q_heads(q.data, t * heads, c), k_heads(k.data, t * kv_heads, c);
  apply(part.q_norm, q_heads, q_heads, executor, isa_);
  apply(part.k_norm, k_heads, k_heads, executor, isa_);
  if (part.rotation >= 0) {
    const Rotation& rotation = rotations[static_cast<size_t>(part.rotation)];
    rotate(q, heads, rotation, executor);
    rotate(k, kv_heads, rotation, executor);
  }
  see(q, k, v, o);
  apply(part.out, o, y, executor, workspace, isa_, second_digit(part.out, x.cols <= kNarrow));
  join(part.residual, y, x, executor);
}

void Transformer::transform(const Mlp& part, Mat<float> x, const Executor& executor,
                            Workspace& workspace) const {
  const Workspace::Frame frame(workspace);
  const size_t t = x.rows, f = part.up.m();
  const bool gated = part.gate.m() != 0;
  const auto y = workspace.mat<float>(t, x.cols);

  Mat<const float> u = x;
  if (part.residual.before) {
    apply(part.residual.before, x, y, executor, isa_);
    u = y;
  }
  const bool narrow = x.cols <= kNarrow;
  const quant::Type down = part.down.linear().type();
  const bool rounds = down == quant::Type::bf16 || (down == quant::Type::i8 && !narrow);
  const Elementwise act =
      rounds ? rounded_activation(part.activation, isa_) : activation(part.activation, isa_);
  const quant::Linear& up_map = part.up.linear();
  if (!quant::is_integer(up_map.type()) &&
      apply_through({&up_map, gated ? &part.gate.linear() : nullptr, act}, part.down.linear(), u, y,
                    executor, workspace, isa_))
    return join(part.residual, y, x, executor);
  const auto up = workspace.mat<float>(t, f);
  const auto gate = gated ? workspace.mat<float>(t, f) : up;
  const std::array<PreciseProduct, 2> maps{
      {{&part.up, up, gated ? nullptr : act}, {&part.gate, gate, act}}};
  apply(std::span(maps).first(gated ? 2 : 1), u, executor, workspace, isa_,
        second_digit(part.up, narrow));
  if (gated) multiply(up, gate, executor, isa_);
  apply(part.down, gate, y, executor, workspace, isa_, second_digit(part.down, narrow));
  join(part.residual, y, x, executor);
}

void Transformer::forward(Mat<float> x, const Sequences& sequences,
                          std::span<const Rotation> rotations, const Executor& executor,
                          Workspace& workspace, size_t depth) const {
  if (depth != kAll && depth > blocks()) {
    throw Error("transformer: expected at most its " + std::to_string(blocks()) +
                " blocks, found " + std::to_string(depth));
  }
  check(x, rotations);
  const auto [starts, positions, hidden] = sequences;
  if (!rises(starts, x.rows))
    throw Error("transformer: expected starts that rise from 0 to " + std::to_string(x.rows));
  for (const size_t n : {positions.size(), hidden.size()}) {
    if (n != 0 && n != x.rows) {
      throw Error("transformer: expected positions and flags of " + std::to_string(x.rows) +
                  " tokens, found " + std::to_string(n));
    }
  }
  const Workspace::Frame frame(workspace);
  const std::span<const size_t> groups = group(starts, workspace);
  const size_t n = groups.size() - 1, threads = static_cast<size_t>(executor.threads());
  if (n <= 1) return pass(x, sequences, rotations, executor, workspace, depth);
  const auto one = [&](size_t i, const Executor& by, Workspace& in) {
    const Workspace::Frame inner(in);
    const Group g(x, sequences, rotations, groups[i], groups[i + 1], in);
    pass(g.x, g.sequences, g.rotations, by, in, depth);
  };
  // Groups are shared out where that leaves no thread idle; else each is shared by all threads. An
  // observer sees one thread alone.
  if (threads > 1 && workspace.observer() == nullptr && (n % threads == 0 || n >= 4 * threads)) {
    const std::span<Workspace> apart = workspace.apart(threads);
    executor.for_ranges(n, 1, [&](size_t slot, size_t begin, size_t end) {
      static const Executor alone(1);
      for (size_t i = begin; i < end; ++i) one(i, alone, apart[slot]);
    });
    workspace.level_apart();
  } else {
    for (size_t i = 0; i < n; ++i) one(i, executor, workspace);
  }
}

void Transformer::pass(Mat<float> x, const Sequences& sequences,
                       std::span<const Rotation> rotations, const Executor& executor,
                       Workspace& workspace, size_t depth) const {
  for (size_t i = 0; i < std::min(depth, blocks()); ++i) {
    const SelfAttention& part = blocks_[i].attention;
    attend(part, x, rotations, executor, workspace,
           [&](Mat<const float> q, Mat<const float> k, Mat<const float> v, Mat<float> o) {
             attention(q, k, v, part.attention, sequences, o, executor, workspace, isa_);
           });
    transform(blocks_[i].mlp, x, executor, workspace);
  }
}

namespace {

/// A position's key and value into a row of a cache.
void keep(const float* key, const float* value, size_t width, float* row) {
  std::copy_n(key, width, row);
  std::copy_n(value, width, row + width);
}

}  // namespace

void Transformer::start(Mat<float> x, std::span<KeyValues> caches,
                        std::span<const Rotation> rotations, const Executor& executor,
                        Workspace& workspace) const {
  check(x, rotations);
  for (KeyValues& kv : caches) kv.past = 0;
  check(caches, 1, x.rows);
  const Workspace::Frame frame(workspace);
  const auto positions = workspace.array<uint32_t>(x.rows), starts = workspace.array<uint32_t>(2);
  for (size_t i = 0; i < x.rows; ++i) positions[i] = static_cast<uint32_t>(i);
  starts[1] = static_cast<uint32_t>(x.rows);
  for (size_t b = 0; b < blocks(); ++b) {
    const SelfAttention& part = blocks_[b].attention;
    attend(part, x, rotations, executor, workspace,
           [&](Mat<const float> q, Mat<const float> k, Mat<const float> v, Mat<float> o) {
             const Mat<float> kept = caches[b].sequence(0, x.rows);
             for (size_t i = 0; i < x.rows; ++i) keep(k.row(i), v.row(i), k.cols, kept.row(i));
             attention(q, k, v, part.attention, {starts, positions}, o, executor, workspace, isa_);
           });
    transform(blocks_[b].mlp, x, executor, workspace);
    caches[b].past = x.rows;
  }
}

void Transformer::step(Mat<float> x, std::span<KeyValues> caches,
                       std::span<const Rotation> rotations, const Executor& executor,
                       Workspace& workspace) const {
  check(x, rotations);
  check(caches, x.rows, 1);
  static const Executor alone(1);  // a position's attention is too little to share out
  for (size_t b = 0; b < blocks(); ++b) {
    const SelfAttention& part = blocks_[b].attention;
    KeyValues& cache = caches[b];
    attend(part, x, rotations, executor, workspace,
           [&](Mat<const float> q, Mat<const float> k, Mat<const float> v, Mat<float> o) {
             const GroupedAttention& a = part.attention;
             const size_t c = q.cols / a.heads, group = a.heads / a.kv_heads, narrow = k.cols;
             for (size_t i = 0; i < x.rows; ++i) {
               const Mat<float> seen = cache.sequence(i, cache.past + 1);
               keep(k.row(i), v.row(i), narrow, seen.row(cache.past));
               // The heads that share keys are the rows of one attention.
               for (size_t j = 0; j < a.kv_heads; ++j) {
                 const size_t at = j * group * c;
                 attention({q.row(i) + at, group, c}, seen.slice_cols(j * c, c),
                           seen.slice_cols(narrow + j * c, c), 1, a.scale,
                           {o.row(i) + at, group, c}, alone, workspace, isa_);
               }
             }
           });
    transform(blocks_[b].mlp, x, executor, workspace);
    ++cache.past;
  }
}

}  // namespace sterna::nn
