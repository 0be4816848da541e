#include <sterna/nn/transformer.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <string>
#include <utility>

// What a Transformer is made of and run on, and what it says of shapes that disagree.
namespace sterna::nn {

namespace {

std::string shape(size_t m, size_t k) {
  return "[" + std::to_string(m) + ", " + std::to_string(k) + "]";
}

/// Checks of one block; `where` is "block 3".
struct Check {
  std::string where;

  void linear(const char* what, const PreciseLinear& l, size_t m, size_t k) const {
    if (l.m() == m && l.k() == k) return;
    throw Error(where + ": " + what + ": expected " + shape(m, k) + ", found " +
                shape(l.m(), l.k()));
  }
  void vector(const char* what, std::span<const float> v, size_t d) const {
    if (v.empty() || v.size() == d) return;
    throw Error(where + ": " + what + ": expected " + std::to_string(d) + " numbers, found " +
                std::to_string(v.size()));
  }
  void norm(const char* what, const Norm& n, size_t d) const {
    if (!n) return;
    if (n.gain.empty()) throw Error(where + ": " + what + ": expected a gain, found none");
    vector(what, n.gain, d);
    vector(what, n.bias, d);
  }
  void residual(const Residual& r, size_t d) const {
    norm("norm before", r.before, d);
    norm("norm inside", r.inside, d);
    norm("norm after", r.after, d);
    vector("scale", r.scale, d);
  }
};

}  // namespace

Transformer::Transformer(std::vector<TransformerBlock> blocks, size_t width, quant::Isa isa)
    : blocks_(std::move(blocks)), width_(width), isa_(isa) {
  const size_t d = width;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const Check check{"block " + std::to_string(i)};
    const SelfAttention& a = blocks_[i].attention;
    const size_t heads = a.attention.heads, kv_heads = a.attention.kv_heads;
    const size_t wide = a.q.m();
    if (heads == 0 || kv_heads == 0 || heads % kv_heads != 0 || wide == 0 || wide % heads != 0) {
      throw Error(check.where + ": expected heads that divide the width " + std::to_string(wide) +
                  " and a number of key heads that divides them, found " + std::to_string(heads) +
                  " and " + std::to_string(kv_heads));
    }
    const size_t c = wide / heads;
    check.residual(a.residual, d);
    check.linear("q", a.q, wide, d);
    check.linear("k", a.k, kv_heads * c, d);
    check.linear("v", a.v, kv_heads * c, d);
    check.linear("out", a.out, d, wide);
    check.norm("q norm", a.q_norm, c);
    check.norm("k norm", a.k_norm, c);
    rotations_ = std::max(rotations_, a.rotation + 1);

    const Mlp& m = blocks_[i].mlp;
    check.residual(m.residual, d);
    check.linear("up", m.up, m.up.m(), d);
    if (m.gate.m() != 0) check.linear("gate", m.gate, m.up.m(), d);
    check.linear("down", m.down, d, m.up.m());
  }
}

void Transformer::check(Mat<const float> x, std::span<const Rotation> rotations) const {
  if (x.cols != width_) {
    throw Error("transformer: expected tokens of width " + std::to_string(width_) + ", found " +
                std::to_string(x.cols));
  }
  if (rotations.size() < static_cast<size_t>(rotations_)) {
    throw Error("transformer: expected " + std::to_string(rotations_) + " rotations, found " +
                std::to_string(rotations.size()));
  }
  for (const Rotation& r : rotations) {
    if (r.cos.rows != r.sin.rows || (r.cos.rows != 0 && r.cos.rows != x.rows)) {
      throw Error("transformer: expected rotations of " + std::to_string(x.rows) +
                  " tokens, found " + std::to_string(r.cos.rows) + " and " +
                  std::to_string(r.sin.rows));
    }
  }
}

void Transformer::check(std::span<const KeyValues> caches, size_t sequences,
                        size_t positions) const {
  if (caches.size() != blocks()) {
    throw Error("transformer: expected caches of " + std::to_string(blocks()) +
                " blocks, found " + std::to_string(caches.size()));
  }
  for (size_t i = 0; i < blocks(); ++i) {
    const Reach reach = blocks_[i].attention.attention.reach;
    if (reach.back != Reach::kAll || reach.ahead != 0) {
      throw Error("transformer: block " + std::to_string(i) +
                  ": expected one that sees all behind a position and nothing ahead");
    }
    const KeyValues& kv = caches[i];
    if (kv.rows.cols != 2 * key_width(i) || kv.rows.rows < sequences * kv.capacity ||
        kv.capacity < kv.past + positions) {
      throw Error("transformer: block " + std::to_string(i) + ": expected a cache of " +
                  std::to_string(sequences) + " x " + std::to_string(kv.past + positions) +
                  " rows of " + std::to_string(2 * key_width(i)) + " numbers, found " +
                  std::to_string(kv.rows.rows) + " rows of " + std::to_string(kv.rows.cols));
    }
  }
}

}  // namespace sterna::nn
