#include <sterna/quant/error.h>

#include <string>
#include <utility>

#include "bind.h"

namespace sterna::models {

namespace {

constexpr uint64_t kMostWidth = 65536, kMostBlocks = 4096, kMostLength = 4096, kMostPrefix = 1024;

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

}  // namespace

std::optional<Writer> bind_generator(const Gguf& file, size_t dim, size_t words, quant::Isa isa) {
  const char* const kind_key = "sterna.generator.kind";
  const Weights w = Weights(file).in("generator");
  // Newer than the format's first version. A file with a part of it is broken, not older.
  if (!file.has(kind_key) && !w.has("table")) return std::nullopt;
  if (const std::string_view kind = file.string(kind_key); kind != "ternary_causal") {
    throw Error(file.file() + ": " + kind_key + ": expected \"ternary_causal\", found \"" +
                std::string(kind) + "\"");
  }
  const size_t d = file.integer("sterna.generator.width", 1, kMostWidth);
  const size_t blocks = file.integer("sterna.generator.blocks", 0, kMostBlocks);
  const size_t heads = file.integer("sterna.generator.heads", 1, d);
  const size_t f = file.integer("sterna.generator.mlp", 1, kMostWidth);
  const size_t prefix = file.integer("sterna.generator.prefix", 1, kMostPrefix);
  const size_t length = file.integer("sterna.generator.length", 2, kMostLength);
  const double sure = file.number("sterna.generator.sure_threshold");
  if (!(sure >= 0 && sure <= 1)) {
    throw Error(file.file() + ": sterna.generator.sure_threshold: expected 0..1, found " +
                std::to_string(sure));
  }
  std::vector<uint32_t> pieces = bind_pieces(file, words);
  const size_t rows = pieces.size() + 1;
  return Writer{.generator = {{.prefix = bind_linear(w, "prefix", prefix * d, dim, false, isa),
                               .position = w.floats("position", {prefix + length - 1, d}),
                               .table = bind_table(w, "table", rows, d, isa),
                               .blocks = bind_blocks(w, blocks, d, f, heads, isa),
                               .norm = w.floats("norm.weight", {d}),
                               .pieces = std::move(pieces)},
                              length,
                              isa},
                .question = file.string("sterna.generator.question"),
                .sure_threshold = static_cast<float>(sure),
                .caption_head_scale =
                    optional_number(file, "sterna.generator.caption_head_scale",
                                    vocabulary_head_scale(file), 100)};
}

}  // namespace sterna::models
