#include <sterna/language/bert.h>
#include <sterna/nn/activation.h>
#include <sterna/nn/attention.h>
#include <sterna/nn/norm.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>

namespace sterna::language {

namespace {

[[noreturn]] void fail(const std::string& what, size_t expected, size_t found) {
  throw Error("text encoder: " + what + ": expected " + std::to_string(expected) + ", found " +
              std::to_string(found));
}

// A view: the checks of a forward pass allocate nothing.
void expect(std::string_view what, size_t expected, size_t found) {
  if (expected != found) fail(std::string(what), expected, found);
}

void expect(const std::string& what, const LayerNorm& norm, size_t d) {
  expect(what + " gain", d, norm.gain.size());
  expect(what + " bias", d, norm.bias.size());
}

void expect(const std::string& what, const nn::PreciseLinear& linear, size_t m, size_t k) {
  expect(what + " outputs", m, linear.m());
  expect(what + " inputs", k, linear.k());
}

}  // namespace

Bert::Bert(BertWeights weights, size_t heads, float eps, quant::Isa isa)
    : weights_(std::move(weights)), heads_(heads), eps_(eps), isa_(isa) {
  const size_t d = width();
  if (d == 0 || heads == 0 || d % heads != 0) {
    throw Error("text encoder: heads: expected a divisor of the width " + std::to_string(d) +
                ", found " + std::to_string(heads));
  }
  expect("width of the token embedding", d, weights_.token_embedding.cols());
  expect("width of the positions", d, weights_.position.cols());
  expect("embedding norm", weights_.embedding_norm, d);
  for (size_t i = 0; i < weights_.blocks.size(); ++i) {
    const BertBlock& b = weights_.blocks[i];
    const std::string where = "block " + std::to_string(i) + " ";
    expect(where + "qkv", b.qkv, 3 * d, d);
    expect(where + "attn_out", b.attn_out, d, d);
    expect(where + "attn_norm", b.attn_norm, d);
    expect(where + "mlp_up", b.mlp_up, b.mlp_up.m(), d);
    expect(where + "mlp_down", b.mlp_down, d, b.mlp_up.m());
    expect(where + "mlp_norm", b.mlp_norm, d);
  }
}

void Bert::check(std::span<const uint32_t> ids, std::span<const uint32_t> starts,
                 nn::Mat<float> out) const {
  expect("rows of the output", ids.size(), out.rows);
  expect("columns of the output", width(), out.cols);
  if (starts.empty() || starts.front() != 0 || starts.back() != ids.size() ||
      !std::is_sorted(starts.begin(), starts.end()))
    throw Error("text encoder: expected starts that rise from 0 to " + std::to_string(ids.size()));
  for (size_t i = 0; i + 1 < starts.size(); ++i)
    if (starts[i + 1] - starts[i] > longest_text())
      fail("tokens of one text: at most", longest_text(), starts[i + 1] - starts[i]);
  for (const uint32_t id : ids)
    if (id >= vocabulary()) fail("token id: below", vocabulary(), id);
}

void Bert::forward(std::span<const uint32_t> ids, std::span<const uint32_t> starts,
                   nn::Mat<float> x, const nn::Executor& executor, nn::Workspace& workspace) const {
  embed(ids, starts, x, executor);
  for (size_t i = 0; i < blocks(); ++i) block(i, starts, x, executor, workspace);
}

void Bert::embed(std::span<const uint32_t> ids, std::span<const uint32_t> starts, nn::Mat<float> x,
                 const nn::Executor& executor) const {
  check(ids, starts, x);
  // x = LN(token[id] + position[i] + type)
  for (size_t s = 0; s + 1 < starts.size(); ++s) {
    for (size_t i = starts[s]; i < starts[s + 1]; ++i) {
      std::copy(weights_.type.begin(), weights_.type.end(), x.row(i));
      weights_.token_embedding.add(ids[i], 1.0f, x.row(i));
      weights_.position.add(i - starts[s], 1.0f, x.row(i));
    }
  }
  const LayerNorm& norm = weights_.embedding_norm;
  nn::layer_norm(x, norm.gain, norm.bias, eps_, x, executor, isa_);
}

void Bert::block(size_t i, std::span<const uint32_t> starts, nn::Mat<float> x,
                 const nn::Executor& executor, nn::Workspace& workspace,
                 const BertObserver& observer) const {
  const BertBlock& b = weights_.blocks[i];
  const size_t t = x.rows, d = width();
  const nn::Workspace::Frame frame(workspace);
  const auto y = workspace.mat<float>(t, d);
  const auto qkv = workspace.mat<float>(t, 3 * d);
  const auto hidden = workspace.mat<float>(t, b.mlp_up.m());
  const auto apply = [&](BertMap map, const nn::PreciseLinear& linear, nn::Mat<float> from,
                         nn::Mat<float> to, nn::Elementwise then = nullptr) {
    if (observer) observer(map, from);
    const nn::PreciseProduct product{&linear, to, then};
    nn::apply({&product, 1}, from, executor, workspace, isa_);
  };
  const auto norm = [&](const LayerNorm& n) {
    nn::layer_norm(x, n.gain, n.bias, eps_, x, executor, isa_);
  };
  // x = LN(x + W_o attention(W_qkv x))
  apply(BertMap::qkv, b.qkv, x, qkv);
  nn::attention(qkv.slice_cols(0, d), qkv.slice_cols(d, d), qkv.slice_cols(2 * d, d), heads_,
                1.0f / std::sqrt(static_cast<float>(d / heads_)), starts, y, executor, workspace,
                isa_);
  const auto o = qkv.slice_cols(0, d);  // qkv is spent
  apply(BertMap::attn_out, b.attn_out, y, o);
  nn::add(o, x, executor, isa_);
  norm(b.attn_norm);
  // x = LN(x + W_down gelu(W_up x))
  apply(BertMap::mlp_up, b.mlp_up, x, hidden, nn::activation(nn::Activation::gelu, isa_));
  apply(BertMap::mlp_down, b.mlp_down, hidden, y);
  nn::add(y, x, executor, isa_);
  norm(b.mlp_norm);
}

}  // namespace sterna::language
