#include <sterna/nn/head_limit.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <string>
#include <utility>

#include "bind.h"

namespace sterna::models {

namespace {

using nn::kMostHead;
constexpr uint64_t kMostWidth = 65536, kMostBlocks = 4096, kMostTokens = 1 << 20;

void expect_kind(const Gguf& file, std::string_view key, std::string_view kind) {
  if (file.string(key) == kind) return;
  throw Error(file.file() + ": " + std::string(key) + ": expected \"" + std::string(kind) +
              "\", found \"" + std::string(file.string(key)) + "\"");
}

language::WordPiece bind_tokenizer(const Gguf& file) {
  expect_kind(file, "sterna.tokenizer.kind", "wordpiece");
  const std::vector<std::string_view>& words = file.strings("sterna.tokenizer.vocab");
  if (words.empty()) {
    throw Error(file.file() + ": sterna.tokenizer.vocab: expected at least one token, found none");
  }
  const auto id = [&](std::string_view key) {
    return static_cast<uint32_t>(file.integer(key, 0, words.size() - 1));
  };
  language::WordPieceOptions options;
  options.normalizer.lowercase = file.boolean("sterna.tokenizer.lowercase");
  options.normalizer.strip_accents = options.normalizer.lowercase;
  options.max_word_chars = file.integer("sterna.tokenizer.max_word_chars", 1, 1000);
  options.cls = id("sterna.tokenizer.cls_id");
  options.sep = id("sterna.tokenizer.sep_id");
  options.unknown = id("sterna.tokenizer.unk_id");
  // BERT's special tokens stand for themselves where a text spells them out.
  for (const uint32_t special :
       {options.cls, options.sep, options.unknown, id("sterna.tokenizer.pad_id")}) {
    options.added.push_back({std::string(words[special]), special});
  }
  const auto mask = std::find(words.begin(), words.end(), "[MASK]");
  if (mask != words.end()) {
    options.added.push_back({std::string(*mask), static_cast<uint32_t>(mask - words.begin())});
  }
  return {std::vector<std::string>(words.begin(), words.end()), std::move(options)};
}

language::BertWeights bind_bert(const Gguf& file, size_t words, quant::Isa isa) {
  expect_kind(file, "sterna.language.kind", "bert");
  const size_t d = file.integer("sterna.language.width", 1, kMostWidth);
  const size_t layers = file.integer("sterna.language.layers", 1, kMostBlocks);
  const size_t f = file.integer("sterna.language.mlp", 1, kMostWidth);

  const Weights w = Weights(file).in("language");
  const auto norm = [d](const Weights& scope, const std::string& name) {
    return language::LayerNorm{scope.floats(name + ".weight", {d}),
                               scope.floats(name + ".bias", {d})};
  };
  language::BertWeights bert{.token_embedding = bind_table(w, "token_embedding", words, d, isa),
                             .position = bind_table(w, "position", 0, d, isa),
                             .type = w.floats("type", {d}),
                             .embedding_norm = norm(w, "embedding_norm"),
                             .blocks = {}};
  for (size_t i = 0; i < layers; ++i) {
    const Weights scope = w.in("blocks." + std::to_string(i));
    bert.blocks.push_back({.qkv = bind_linear(scope, "qkv", 3 * d, d, true, isa),
                           .attn_out = bind_linear(scope, "attn_out", d, d, true, isa),
                           .attn_norm = norm(scope, "attn_norm"),
                           .mlp_up = bind_linear(scope, "mlp_up", f, d, true, isa),
                           .mlp_down = bind_linear(scope, "mlp_down", d, f, true, isa),
                           .mlp_norm = norm(scope, "mlp_norm")});
  }
  return bert;
}

}  // namespace

TextParts bind_text_parts(const Gguf& file, quant::Isa isa) {
  language::WordPiece tokenizer = bind_tokenizer(file);
  language::BertWeights weights = bind_bert(file, tokenizer.size(), isa);
  const size_t width = weights.type.size();
  const size_t heads = file.integer("sterna.language.heads", 1, width);
  if (width / heads > kMostHead) {
    throw Error(file.file() + ": sterna.language.heads: expected heads of at most " +
                std::to_string(kMostHead) + " columns of width " + std::to_string(width) +
                ", found " + std::to_string(heads) + " heads");
  }
  const double eps = file.number("sterna.language.eps");
  if (!(eps >= 0 && eps <= 1)) {
    throw Error(file.file() + ": sterna.language.eps: expected 0..1, found " + std::to_string(eps));
  }
  return {.tokenizer = std::move(tokenizer),
          .weights = std::move(weights),
          .heads = heads,
          .eps = static_cast<float>(eps),
          .max_tokens = file.integer("sterna.language.max_tokens", 2, kMostTokens)};
}

language::TextEncoder bind_text(const Gguf& file, quant::Isa isa) {
  TextParts parts = bind_text_parts(file, isa);
  return {std::move(parts.tokenizer),
          language::Bert(std::move(parts.weights), parts.heads, parts.eps, isa), parts.max_tokens};
}

}  // namespace sterna::models
