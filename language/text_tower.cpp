#include <sterna/language/text_tower.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <string>
#include <utility>

namespace sterna::language {

namespace {

constexpr SizeCheck expect{"text tower"};

void below(const char* what, size_t limit, size_t found) {
  if (found < limit) return;
  throw Error("text tower: " + std::string(what) + ": expected a number below " +
              std::to_string(limit) + ", found " + std::to_string(found));
}

}  // namespace

TextTower::TextTower(TextTowerWeights weights, quant::Isa isa)
    : weights_(std::move(weights)), isa_(isa) {
  const size_t d = width();
  if (d == 0) throw Error("text tower: expected a width, found zero");
  expect("width of the token embedding", d, weights_.tokens.cols());
  if (weights_.positions.rows() != 0) expect("width of positions", d, weights_.positions.cols());
  if (!weights_.type.empty()) expect("width of the type embedding", d, weights_.type.size());
}

size_t TextTower::longest() const {
  const size_t rows = weights_.positions.rows();
  const size_t before = weights_.padding ? size_t{*weights_.padding} + 1 : 0;
  return rows - std::min(rows, before);
}

void TextTower::forward(std::span<const uint32_t> ids, const nn::Sequences& sequences,
                        nn::Mat<float> out, const nn::Executor& executor,
                        nn::Workspace& workspace) const {
  hidden(ids, sequences, blocks(), out, executor, workspace);
  nn::apply(weights_.final_norm, out, out, executor, isa_);
}

void TextTower::hidden(std::span<const uint32_t> ids, const nn::Sequences& sequences, size_t depth,
                       nn::Mat<float> x, const nn::Executor& executor,
                       nn::Workspace& workspace) const {
  const TextTowerWeights& w = weights_;
  const size_t t = ids.size();
  expect("rows of the output", t, x.rows);
  expect("columns of the output", width(), x.cols);
  expect("positions", t, sequences.positions.size());
  if (t == 0) return;

  // x = LN(scale token[id] + position[i] + type)
  uint32_t counted = 0;
  for (size_t i = 0, text = 0; i < t; ++i) {
    below("token id", vocabulary(), ids[i]);
    for (; text < sequences.starts.size() && sequences.starts[text] == i; ++text) counted = 0;
    uint32_t place = sequences.positions[i];
    if (w.padding) place = *w.padding + (ids[i] == *w.padding ? 0 : ++counted);
    std::fill_n(x.row(i), x.cols, 0.0F);
    w.tokens.add(ids[i], w.token_scale, x.row(i));
    if (w.positions.rows() != 0) {
      below("position", w.positions.rows(), place);
      w.positions.add(place, 1.0F, x.row(i));
    }
    for (size_t j = 0; j < w.type.size(); ++j) x.row(i)[j] += w.type[j];
  }
  nn::apply(w.embedding_norm, x, x, executor, isa_);

  const nn::Workspace::Frame frame(workspace);
  std::vector<nn::Rotation> rotations;
  for (const std::vector<float>& frequencies : w.rotations) {
    const auto cos = workspace.mat<float>(t, 2 * frequencies.size());
    const auto sin = workspace.mat<float>(t, 2 * frequencies.size());
    nn::fill_rotation(frequencies, sequences.positions, nn::Pairing::halves, cos, sin);
    rotations.push_back({cos, sin, nn::Pairing::halves});
  }
  w.blocks.forward(x, sequences, rotations, executor, workspace, depth);
}

}  // namespace sterna::language
