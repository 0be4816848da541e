#pragma once

#include <sterna/decoder/generator.h>
#include <sterna/language/wordpiece.h>
#include <sterna/models/gguf.h>
#include <sterna/nn/executor.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/isa.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace sterna::models {

/// What writes texts for embeddings. Const, shared by threads.
class Writer {
 public:
  virtual ~Writer() = default;
  /// As decoder::Generator::generate(); behind a prefix it allocates.
  virtual size_t generate(std::span<const float> embedding,
                          std::span<decoder::GeneratedText> best, const nn::Executor& executor,
                          nn::Workspace& workspace) const = 0;
  /// What is written with `ids`; `text` is overwritten.
  virtual void spell(std::span<const uint32_t> ids, std::string& text) const = 0;

  std::string_view question;     // that a caption answers
  float sure_threshold = 0;      // what the probability a piece must reach
  float caption_head_scale = 1;  // PointerPredictor's head_scale of `question`
};

/// sterna.generator.*, if the file has it: the model's own. `tokenizer` outlives it.
std::unique_ptr<const Writer> bind_generator(const Gguf& file, size_t dim,
                                             const language::WordPiece& tokenizer, quant::Isa isa);

/// sterna.prefix.*, with the language model in `path`: GGUF of the one that the file's prefix was
/// trained for, in any precision; sterna.prefix.digest tells (LanguageModel::digest). `threads` as
/// Model::Options has them.
std::unique_ptr<const Writer> bind_prefix(const Gguf& file, size_t dim,
                                          const std::filesystem::path& path, quant::Isa isa,
                                          int threads);

}  // namespace sterna::models
