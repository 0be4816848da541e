#pragma once

#include <sterna/decoder/prefix_decoder.h>
#include <sterna/models/gguf.h>
#include <sterna/nn/executor.h>
#include <sterna/nn/transformer.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/isa.h>
#include <sterna/quant/linear.h>

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sterna::models {

/// A causal language model as llama.cpp's files hold it: general.architecture "llama" (Llama,
/// SmolLM2, ...) with pieces of byte-level BPE and one table for both ends. Its maps, in f32, f16,
/// bf16 or ggml's blocks of 32, are laid out anew when it is opened, a scale a row.
/// Immutable then; what it gives views it. Throws sterna::Error naming file and fault.
class LanguageModel {
 public:
  struct Options {
    quant::Isa isa = quant::best_isa();
    quant::Type maps = quant::Type::i8;  // or f32
    int threads = 0;                     // that lay out the maps; 0: all cores
  };
  static LanguageModel open(const std::filesystem::path& path, const Options& options);
  static LanguageModel of(Gguf file, const Options& options);

  const std::string& file() const { return file_.file(); }
  /// For messages.
  std::string_view name() const {
    return file_.has("general.name") ? file_.string("general.name") : "a model without a name";
  }
  size_t width() const { return width_; }
  /// Of its last norm, which is the same in every precision: which model this is.
  const std::string& digest() const { return digest_; }
  /// Positions it was trained for.
  size_t positions() const { return file_.integer("llama.context_length", 1, 1 << 30); }
  size_t size() const { return spellings_->size(); }  // of its vocabulary

  /// What a PrefixDecoder wants of it. Control pieces are closed, but for `end`.
  decoder::PrefixDecoder::Weights weights(const quant::Linear& prefix, uint32_t end) const;

  /// The text of pieces; `out` is overwritten. Allocates. Bytes that are no UTF-8 become U+FFFD.
  void join(std::span<const uint32_t> ids, std::string& out) const;

 private:
  LanguageModel(Gguf file, const Options& options);
  nn::TransformerBlock block(size_t i, size_t hidden, const nn::GroupedAttention& attention);
  quant::Linear map(const std::string& name, size_t m, size_t k);
  nn::Norm norm(const std::string& name);
  std::vector<uint32_t> controls() const;

  Gguf file_;
  quant::Isa isa_;
  quant::Type type_;
  nn::Executor executor_;
  size_t width_ = 0;
  float eps_ = 0;
  const std::vector<std::string_view>* spellings_ = nullptr;
  nn::Workspace memory_;  // the maps, in huge pages
  std::deque<std::vector<uint16_t>> scales_;
  quant::Linear pieces_;
  nn::Transformer blocks_;
  std::vector<float> frequencies_;
  nn::Norm norm_;
  std::set<std::string, std::less<>> read_;  // names of tensors
  std::string digest_;
};

}  // namespace sterna::models
