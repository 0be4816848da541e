#include <sterna/quant/error.h>

#include <memory>
#include <string>
#include <utility>

#include "bind.h"
#include "language_model.h"
#include "text.h"
#include "writer.h"

namespace sterna::models {

namespace {

constexpr uint64_t kMostWidth = 65536, kMostBlocks = 4096, kMostLength = 4096, kMostPrefix = 1024;
constexpr uint64_t kMostPositions = 1024;  // of a language model's text, the prefix among them

std::vector<uint32_t> bind_pieces(const Gguf& file, size_t words) {
  const std::string key = "sterna.generator.pieces";
  std::vector<uint32_t> pieces;
  for (const int64_t id : file.integers(key)) {
    if (id < 0 || static_cast<uint64_t>(id) >= words) {
      throw Error(file.file() + ": " + key + ": expected ids below " + std::to_string(words) +
                  ", found " + std::to_string(id));
    }
    pieces.push_back(static_cast<uint32_t>(id));
  }
  return pieces;
}

/// What `scope`.* says of every writer.
void read_common(const Gguf& file, const std::string& scope, Writer& writer) {
  const double sure = file.number(scope + ".sure_threshold");
  if (!(sure >= 0 && sure <= 1)) {
    throw Error(file.file() + ": " + scope + ".sure_threshold: expected 0..1, found " +
                std::to_string(sure));
  }
  writer.question = file.string(scope + ".question");
  writer.sure_threshold = static_cast<float>(sure);
  writer.caption_head_scale = optional_number(file, (scope + ".caption_head_scale").c_str(),
                                              vocabulary_head_scale(file), 100);
}

void expect_kind(const Gguf& file, const std::string& key, std::string_view kind) {
  if (file.string(key) == kind) return;
  throw Error(file.file() + ": " + key + ": expected " + in_quotes(kind) + ", found " +
              in_quotes(file.string(key)));
}

class GeneratorWriter : public Writer {
 public:
  GeneratorWriter(decoder::Generator generator, const language::WordPiece& tokenizer)
      : generator_(std::move(generator)), tokenizer_(&tokenizer) {}

  size_t generate(std::span<const float> embedding, std::span<decoder::GeneratedText> best,
                  const nn::Executor& executor, nn::Workspace& workspace) const override {
    return generator_.generate(embedding, best, executor, workspace);
  }
  void spell(std::span<const uint32_t> ids, std::string& text) const override {
    decoder::join(*tokenizer_, ids, text);
    decoder::agree_articles(text);
  }

 private:
  decoder::Generator generator_;
  const language::WordPiece* tokenizer_;
};

class PrefixWriter : public Writer {
 public:
  PrefixWriter(LanguageModel language, const quant::Linear& prefix, uint32_t end, size_t length,
               quant::Isa isa)
      : language_(std::move(language)), decoder_(language_.weights(prefix, end), length, isa) {}

  size_t generate(std::span<const float> embedding, std::span<decoder::GeneratedText> best,
                  const nn::Executor& executor, nn::Workspace& workspace) const override {
    return decoder_.generate(embedding, best, executor, workspace);
  }
  void spell(std::span<const uint32_t> ids, std::string& text) const override {
    language_.join(ids, text);
  }

 private:
  LanguageModel language_;
  decoder::PrefixDecoder decoder_;
};

}  // namespace

std::unique_ptr<const Writer> bind_generator(const Gguf& file, size_t dim,
                                             const language::WordPiece& tokenizer, quant::Isa isa) {
  const Weights w = Weights(file).in("generator");
  const std::string scope = "sterna.generator";
  // Newer than the format's first version. A file with a part of it is broken, not older.
  if (!file.has(scope + ".kind") && !w.has("table")) return nullptr;
  expect_kind(file, scope + ".kind", "ternary_causal");
  const size_t d = file.integer(scope + ".width", 1, kMostWidth);
  const size_t blocks = file.integer(scope + ".blocks", 0, kMostBlocks);
  const size_t heads = file.integer(scope + ".heads", 1, d);
  const size_t f = file.integer(scope + ".mlp", 1, kMostWidth);
  const size_t prefix = file.integer(scope + ".prefix", 1, kMostPrefix);
  const size_t length = file.integer(scope + ".length", 2, kMostLength);
  std::vector<uint32_t> pieces = bind_pieces(file, tokenizer.size());
  const size_t rows = pieces.size() + 1;
  auto writer = std::make_unique<GeneratorWriter>(
      decoder::Generator({.prefix = bind_linear(w, "prefix", prefix * d, dim, false, isa),
                          .position = w.floats("position", {prefix + length - 1, d}),
                          .table = bind_table(w, "table", rows, d, isa),
                          .blocks = bind_blocks(w, blocks, d, f, heads, isa),
                          .norm = w.floats("norm.weight", {d}),
                          .pieces = std::move(pieces)},
                         length, isa),
      tokenizer);
  read_common(file, scope, *writer);
  return writer;
}

std::unique_ptr<const Writer> bind_prefix(const Gguf& file, size_t dim,
                                          const std::filesystem::path& path, quant::Isa isa,
                                          int threads) {
  const std::string scope = "sterna.prefix";
  if (!file.has(scope + ".kind")) {
    throw Error(file.file() + ": the model has no prefix for a language model: expected metadata " +
                in_quotes(scope + ".kind") + " and tensors prefix.*");
  }
  expect_kind(file, scope + ".kind", "llama");
  const size_t positions = file.integer(scope + ".positions", 1, kMostPositions - 2);
  const size_t length = file.integer(scope + ".length", 2, kMostPositions - positions);
  const size_t d = file.integer(scope + ".width", 1, kMostWidth);
  const size_t words = file.integer(scope + ".vocabulary", 1);
  const auto end = static_cast<uint32_t>(file.integer(scope + ".end", 0, words - 1));
  const quant::Linear prefix =
      bind_linear(Weights(file), "prefix", positions * d, dim, true, isa);
  LanguageModel language = LanguageModel::open(path, {.isa = isa, .threads = threads});
  const std::string_view digest = file.string(scope + ".digest");
  if (language.digest() != digest || language.width() != d || language.size() != words) {
    const std::string model = scope + ".model";
    const std::string_view name = file.has(model) ? file.string(model) : "a model without a name";
    throw Error(language.file() + ": expected the language model that the prefix of " +
                file.file() + " was trained for, " + in_quotes(name) +
                " with a last norm of digest " + in_quotes(digest) + ", width " +
                std::to_string(d) + " and " + std::to_string(words) + " pieces, found " +
                in_quotes(language.name()) + " with " + in_quotes(language.digest()) + ", " +
                std::to_string(language.width()) + " and " + std::to_string(language.size()));
  }
  if (positions + length > language.positions()) {
    throw Error(language.file() + ": llama.context_length: expected at least " +
                std::to_string(positions + length) + ", found " +
                std::to_string(language.positions()));
  }
  auto writer =
      std::make_unique<PrefixWriter>(std::move(language), prefix, end, length, isa);
  read_common(file, scope, *writer);
  return writer;
}

}  // namespace sterna::models
