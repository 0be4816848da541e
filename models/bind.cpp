#include "bind.h"

#include <sterna/quant/error.h>

#include <cstdio>
#include <string>
#include <utility>

namespace sterna::models {

quant::Linear bind_linear(const Weights& weights, std::string_view name, size_t m, size_t k,
                          bool bias, quant::Isa isa) {
  const std::string scope(name);
  const quant::WeightView w = weights.linear(scope + ".weight", m, k);
  return {w, bias ? weights.floats(scope + ".bias", {m}) : std::span<const float>{}, isa};
}

namespace {

nn::RowTable row_table(const TableView& t, quant::Isa isa) {
  if (!t.i8.empty()) return nn::RowTable::int8(t.i8, t.scale, t.rows, t.cols, isa);
  if (!t.f16.empty()) return nn::RowTable::half(t.f16, t.rows, t.cols, isa);
  if (!t.q4_0.empty()) return nn::RowTable::q4_0(t.q4_0, t.rows, t.cols, isa);
  if (!t.packed.data.empty()) return nn::RowTable::packed(t.packed, isa);
  return {t.f32, t.rows, t.cols, isa};
}

}  // namespace

nn::RowTable bind_table(const Weights& weights, std::string_view name, size_t rows, size_t cols,
                        quant::Isa isa) {
  const TableView table = weights.table(name, rows, cols);
  try {
    return row_table(table, isa);
  } catch (const Error& e) {
    weights.fail(name, e.what());
  }
}

std::vector<nn::TernaryBlock> bind_blocks(const Weights& scope, size_t blocks, size_t d, size_t f,
                                          size_t heads, quant::Isa isa) {
  std::vector<nn::TernaryBlock> list;
  for (size_t i = 0; i < blocks; ++i) {
    const Weights w = scope.in("blocks." + std::to_string(i));
    list.push_back({.attn_norm = w.floats("attn_norm.weight", {d}),
                    .qkv = bind_linear(w, "qkv", 3 * d, d, false, isa),
                    .attn_out_norm = w.floats("attn_out_norm.weight", {d}),
                    .attn_out = bind_linear(w, "attn_out", d, d, false, isa),
                    .mlp_norm = w.floats("mlp_norm.weight", {d}),
                    .mlp_up = bind_linear(w, "mlp_up", f, d, false, isa),
                    .mlp_mid_norm = w.floats("mlp_mid_norm.weight", {f}),
                    .mlp_down = bind_linear(w, "mlp_down", d, f, false, isa),
                    .heads = heads});
  }
  return list;
}

predictor::PointerPredictor bind_predictor(const Gguf& file, size_t vision_width, size_t dim,
                                           quant::Isa isa, const Replaced* replaced) {
  const std::string_view kind = file.string("sterna.predictor.kind");
  if (kind != "ternary_grounded_pointer") {
    throw Error(file.file() +
                ": sterna.predictor.kind: expected \"ternary_grounded_pointer\", found \"" +
                std::string(kind) + "\"");
  }
  constexpr uint64_t kMostWidth = 65536, kMostBlocks = 4096;
  const size_t d = file.integer("sterna.predictor.width", 1, kMostWidth);
  const size_t blocks = file.integer("sterna.predictor.blocks", 0, kMostBlocks);
  const size_t heads = file.integer("sterna.predictor.heads", 1, d);
  const size_t f = file.integer("sterna.predictor.mlp", 1, kMostWidth);
  const size_t c = file.integer("sterna.predictor.pointer_width", 1, kMostWidth);
  const size_t language = file.integer("sterna.language.width", 1, kMostWidth);

  using P = predictor::PointerPredictor;
  const Weights w = Weights(file, replaced).in("predictor");
  predictor::Ground ground;
  if (file.has(kGroundBlocks)) {
    const Weights g = w.in("ground");
    const size_t v = vision_width, layers = file.integer(kGroundBlocks, 0, kMostBlocks);
    ground = {.blocks = bind_blocks(g, layers, v, f, heads, isa),
              .norm = g.floats("norm.weight", {v}),
              .map = bind_linear(g, "map", dim, v, true, isa)};
  }
  predictor::Referents referents;
  if (file.has(kReferents) && file.boolean(kReferents)) {
    using R = predictor::Referents;
    const Weights r = w.in("referents");
    referents = {.role = bind_linear(r, "role", R::kRoles, language, false, isa),
                 .side = r.floats("side", {3}),
                 .direction = bind_linear(r, "direction", 2, language, true, isa),
                 .held = bind_linear(r, "held", d, R::kHeld, false, isa),
                 .look = bind_linear(r, "look", R::kLook, language + d, true, isa)};
  }
  return predictor::PointerPredictor(
      {.answer = w.floats("answer", {d}),
       .question = bind_linear(w, "question", d, language, true, isa),
       .vision = bind_linear(w, "vision", d, vision_width, true, isa),
       .blocks = bind_blocks(w, blocks, d, f, heads, isa),
       .norm = w.floats("norm.weight", {d}),
       .head = bind_linear(w, "head", dim, d, true, isa),
       .pointer_query = bind_linear(w, "pointer_query", c, d, false, isa),
       .pointer_key = bind_linear(w, "pointer_key", c, d, false, isa),
       .gate = bind_linear(w, "gate", 1, d, true, isa),
       .read = bind_linear(w, "read", d, vision_width, false, isa),
       .read_gate = bind_linear(w, "read_gate", d, d, true, isa),
       .match = bind_linear(w, "match", d, P::kMatches, false, isa),
       .word_found = bind_linear(w, "word_found", d, P::kWordFound, false, isa),
       .place_found = bind_linear(w, "place_found", d, P::kPlaceFound, false, isa),
       .pointer_found = bind_linear(w, "pointer_found", P::kPlaceFound, d, true, isa),
       .ground = std::move(ground),
       .referents = std::move(referents)},
      isa);
}

float optional_number(const Gguf& file, const char* key, float absent, float most, bool zero_too) {
  if (!file.has(key)) return absent;
  const auto value = static_cast<float>(file.number(key));
  if ((value > 0 || (zero_too && value == 0)) && value <= most) return value;
  char expected[64];
  std::snprintf(expected, sizeof expected, "a number %s 0, %g at most",
                zero_too ? "from" : "above", static_cast<double>(most));
  throw Error(file.file() + ": " + key + ": expected " + expected + ", found " +
              std::to_string(value));
}

float vocabulary_head_scale(const Gguf& file) {
  return optional_number(file, "sterna.decoder.vocabulary_head_scale", 1, 100);
}

Decoder bind_decoder(const Gguf& file, size_t dim, quant::Isa isa) {
  const auto sure = static_cast<float>(file.number("sterna.decoder.sure_threshold"));
  const auto scale = [&](std::string_view key) { return static_cast<float>(file.number(key)); };
  Decoder d{.choices = {scale("sterna.decoder.choice_scale"), sure,
                        optional_number(file, "sterna.decoder.choice_slope", 1, 1)},
            .vocabulary = {scale("sterna.decoder.vocabulary_scale"), sure,
                           optional_number(file, "sterna.decoder.vocabulary_slope", 1, 1)},
            .vocabulary_head_scale = vocabulary_head_scale(file),
            .answers = {},
            .texts = &file.strings("sterna.decoder.answers")};
  if (d.texts->empty()) {
    throw Error(file.file() + ": sterna.decoder.answers: expected at least one answer, found none");
  }
  d.answers = bind_table(Weights(file), "decoder.answers", d.texts->size(), dim, isa);
  return d;
}

}  // namespace sterna::models
