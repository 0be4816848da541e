#include <sterna/decoder/generator.h>
#include <sterna/nn/linear.h>
#include <sterna/nn/norm.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "writing.h"

namespace sterna::decoder {

using nn::Executor;
using nn::Mat;
using nn::Workspace;

namespace {

constexpr SizeCheck expect{"generator"};

}  // namespace

Generator::Generator(Weights weights, size_t length, quant::Isa isa)
    : weights_(std::move(weights)), length_(length), isa_(isa) {
  const Weights& w = weights_;
  const size_t d = w.norm.size();
  if (d == 0 || length < 2) throw Error("generator: expected a width above 0, a length above 1");
  if (w.prefix.m() == 0 || w.prefix.m() % d != 0) {
    throw Error("generator: prefix outputs: expected a multiple of " + std::to_string(d) +
                ", found " + std::to_string(w.prefix.m()));
  }
  expect("size of the positions", (w.prefix.m() / d + length - 1) * d, w.position.size());
  expect("table columns", d, w.table.cols());
  expect("table rows", w.pieces.size() + 1, w.table.rows());
  if (w.pieces.empty()) throw Error("generator: expected at least one piece, found none");
  for (size_t i = 0; i < w.blocks.size(); ++i) {
    w.blocks[i].check(d, "generator: block " + std::to_string(i));
  }
}

void Generator::run_blocks(Mat<float> x, Writing& w, const Executor& executor,
                           Workspace& workspace) const {
  for (size_t b = 0; b < weights_.blocks.size(); ++b) {
    nn::KeyValues& cache = w.caches.now()[b];
    weights_.blocks[b].step(x, cache, executor, workspace, isa_);
    ++cache.past;
  }
}

// x_i = (W_prefix e)_i + position_i, a position after the other; the last one stays in w.x.
void Generator::lead(std::span<const float> embedding, Writing& w, const Executor& executor,
                     Workspace& workspace) const {
  const size_t d = weights_.norm.size(), p = weights_.prefix.m() / d;
  const Workspace::Frame frame(workspace);
  const Mat<float> all = workspace.mat<float>(1, p * d);
  nn::apply(weights_.prefix, {embedding.data(), 1, embedding.size()}, all, executor, workspace);
  for (size_t i = 0; i < p * d; ++i) all.data[i] += weights_.position[i];
  for (size_t i = 0; i < p; ++i) run_blocks(all.slice_cols(i * d, d), w, executor, workspace);
  std::copy_n(all.data + (p - 1) * d, d, w.x.data);
}

// x = sqrt(d) row(piece) + position for the last piece of every live text.
void Generator::follow(Writing& w, const Executor& executor, Workspace& workspace) const {
  const size_t d = weights_.norm.size(), p = weights_.prefix.m() / d;
  const auto live = w.beams.live();
  const auto position = weights_.position.subspan((p + w.beams.pieces() - 1) * d, d);
  for (size_t i = 0; i < live.size(); ++i) {
    std::copy_n(position.data(), d, w.x.row(i));
    weights_.table.add(live[i].rows[w.beams.pieces() - 1], std::sqrt(static_cast<float>(d)),
                       w.x.row(i));
  }
  run_blocks(w.x.slice_rows(0, live.size()), w, executor, workspace);
}

void Generator::grow(Writing& w, const Executor& executor, Workspace& workspace) const {
  const Workspace::Frame frame(workspace);
  const size_t n = w.beams.live().size(), v = weights_.table.rows();
  const Mat<float> z = workspace.mat<float>(n, w.x.cols);
  const Mat<float> p = workspace.mat<float>(n, v);
  nn::rms_norm(w.x.slice_rows(0, n), weights_.norm, nn::TernaryBlock::kEps, z, executor, isa_);
  for (size_t i = 0; i < n; ++i) {
    executor.for_ranges(v, 256, [&](size_t begin, size_t end) {
      weights_.table.cosines(z.row(i), begin, end - begin, p.row(i) + begin);
    });
    if (w.beams.pieces() == 0) p.row(i)[BeamSearch::kEnd] = -1e30F;  // a text has a piece
  }
  nn::softmax(p, p, executor, isa_);
  w.beams.step(p);
  w.caches.follow(w.beams);
}

size_t Generator::generate(std::span<const float> embedding, std::span<GeneratedText> best,
                           const Executor& executor, Workspace& workspace) const {
  expect("width of the embedding", dim(), embedding.size());
  check_beams("generator", best.size());
  const Mat<uint32_t> ids = workspace.mat<uint32_t>(best.size(), length_);  // the caller's
  const Workspace::Frame frame(workspace);
  const size_t d = weights_.norm.size();
  Writing w(best.size(), length_, weights_.position.size() / d, weights_.blocks.size(), d, d,
            workspace);
  lead(embedding, w, executor, workspace);
  return write_texts(
      w, ids, best, [&] { grow(w, executor, workspace); },
      [&] { follow(w, executor, workspace); },
      [&](uint32_t row) { return weights_.pieces[row - 1]; });
}

void join(const language::WordPiece& tokenizer, std::span<const uint32_t> ids, std::string& out) {
  const auto is = [](std::string_view piece, std::string_view marks) {
    return piece.size() == 1 && marks.find(piece) != std::string_view::npos;
  };
  const std::string_view continuation = tokenizer.options().continuation;
  out.clear();
  bool glue = true;
  for (const uint32_t id : ids) {
    const std::string_view piece = tokenizer.token(id);
    if (piece.starts_with(continuation)) {
      out += piece.substr(continuation.size());
      glue = false;
      continue;
    }
    if (!glue && !is(piece, "-'/,.!?;:)")) out += ' ';
    out += piece;
    glue = is(piece, "-'/(");
  }
}

void agree_articles(std::string& text) {
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto vowel = [](std::string_view word) {
    for (const std::string_view y : {"use", "uro", "eu", "one", "u-"})
      if (word.starts_with(y)) return false;  // said as y or w
    if (word.starts_with("uni")) return word.starts_with("unin");
    return !word.empty() && std::string_view("aeiou").find(word[0]) != std::string_view::npos;
  };
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != 'a' || (at > 0 && is_letter(text[at - 1]))) continue;
    const size_t end = at + (text.compare(at, 3, "an ") == 0 ? 2 : 1);
    if (end + 1 >= text.size() || text[end] != ' ' || !is_letter(text[end + 1])) continue;
    const bool wanted = vowel(std::string_view(text).substr(end + 1)), there = end == at + 2;
    if (wanted && !there) text.insert(end, 1, 'n');
    const bool said_as_y = std::string_view("eou").find(text[end + 1]) != std::string_view::npos;
    if (!wanted && there && said_as_y) text.erase(end - 1, 1);  // before an h an "an" may stand
  }
}

}  // namespace sterna::decoder
