#include "language_model.h"

#include <sterna/language/byte_pieces.h>
#include <sterna/models/weights.h>
#include <sterna/quant/error.h>
#include <sterna/quant/fnv1a.h>
#include <sterna/quant/formats.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <mutex>
#include <utility>

#include "blocks.h"
#include "ggml_rows.h"
#include "text.h"

namespace sterna::models {
namespace {

constexpr size_t kRows = 64;  // of a map that are read and laid out at a time
constexpr int64_t kControl = 3;  // llama.cpp: LLAMA_TOKEN_TYPE_CONTROL

/// f(begin, end) for rows [0, m), on all threads; the first error is thrown.
template <class F>
void on_rows(const nn::Executor& executor, size_t m, const F& f) {
  std::mutex mutex;
  std::string fault;
  executor.for_ranges(m, kRows, [&](size_t begin, size_t end) {
    try {
      for (; begin < end; begin += kRows) f(begin, std::min(begin + kRows, end));
    } catch (const Error& e) {
      const std::lock_guard lock(mutex);
      if (fault.empty()) fault = e.what();
    }
  });
  if (!fault.empty()) throw Error(fault);
}

std::string hexadecimal(uint64_t x) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(x));
  return text;
}

}  // namespace

LanguageModel LanguageModel::open(const std::filesystem::path& path, const Options& options) {
  return of(Gguf::open(path), options);
}

LanguageModel LanguageModel::of(Gguf file, const Options& options) {
  const std::string name = file.file();
  try {
    return LanguageModel(std::move(file), options);
  } catch (const Error& e) {  // modules know their shapes, not the file these came from
    const std::string what = e.what();
    if (what.starts_with(name)) throw;
    throw Error(name + ": " + what);
  }
}

LanguageModel::LanguageModel(Gguf file, const Options& options)
    : file_(std::move(file)), isa_(options.isa), type_(options.maps), executor_(options.threads) {
  const auto expect = [&](std::string_view key, std::string_view wanted) {
    if (file_.string(key) == wanted) return;
    throw Error(std::string(key) + ": expected " + in_quotes(wanted) + ", found " +
                in_quotes(file_.string(key)));
  };
  expect("general.architecture", "llama");
  expect("tokenizer.ggml.model", "gpt2");
  if (const char* key = "llama.rope.scaling.type"; file_.has(key)) expect(key, "none");
  width_ = file_.integer("llama.embedding_length", 1, kMostWidth);
  const size_t layers = file_.integer("llama.block_count", 1, kMostLayers);
  const size_t hidden = file_.integer("llama.feed_forward_length", 1, 4 * kMostWidth);
  const size_t heads = file_.integer("llama.attention.head_count", 1, width_);
  const size_t kv_heads = file_.integer("llama.attention.head_count_kv", 1, heads);
  const size_t head = width_ / heads;
  if (width_ % heads != 0 || heads % kv_heads != 0 || head % 2 != 0 || head > kMostHead) {
    throw Error("llama.attention.head_count: expected heads of at most " +
                std::to_string(kMostHead) + " columns, an even number of them, found " +
                std::to_string(heads) + " heads, " + std::to_string(kv_heads) +
                " of keys, in width " + std::to_string(width_));
  }
  file_.integer("llama.rope.dimension_count", head, head);
  eps_ = static_cast<float>(file_.number("llama.attention.layer_norm_rms_epsilon"));
  const std::string base_key = "llama.rope.freq_base";
  const double base = file_.has(base_key) ? file_.number(base_key) : 1e4;
  if (!(eps_ >= 0 && eps_ <= 1) || !(base >= 1 && base <= 1e12))
    throw Error(base_key + " and norm epsilon: expected 1..1e12 and 0..1, found " +
                std::to_string(base) + " and " + std::to_string(eps_));
  frequencies_ = nn::rope_frequencies(head, base);
  spellings_ = &file_.strings("tokenizer.ggml.tokens");
  if (spellings_->empty() || spellings_->size() > kMostWords)
    throw Error("tokenizer.ggml.tokens: expected 1.." + std::to_string(kMostWords) +
                " pieces, found " + std::to_string(spellings_->size()));

  const nn::GroupedAttention attention{
      .heads = heads, .kv_heads = kv_heads,
      .scale = 1.0F / std::sqrt(static_cast<float>(head)), .reach = {nn::Reach::kAll, 0}};
  std::vector<nn::TransformerBlock> blocks;
  for (size_t i = 0; i < layers; ++i) blocks.push_back(block(i, hidden, attention));
  blocks_ = nn::Transformer(std::move(blocks), width_, isa_);
  pieces_ = map("token_embd", size(), width_);
  norm_ = norm("output_norm");
  digest_ = hexadecimal(quant::fnv1a(std::as_bytes(norm_.gain)));
  for (const GgufTensor& tensor : file_.tensors()) {  // it would have a say in what is written
    if (!read_.contains(tensor.name))
      throw Error("tensor " + in_quotes(tensor.name) + ": expected none of this name");
  }
}

nn::Norm LanguageModel::norm(const std::string& name) {
  read_.insert(name + ".weight");
  const std::span<const float> gain = Weights(file_).floats(name + ".weight", {width_});
  if (!std::ranges::all_of(gain, [](float g) { return std::isfinite(g); }))
    throw Error("tensor " + in_quotes(name + ".weight") + ": expected finite numbers");
  return {nn::Norm::Kind::rms, gain, {}, eps_};
}

nn::TransformerBlock LanguageModel::block(size_t i, size_t hidden,
                                          const nn::GroupedAttention& attention) {
  const std::string in = "blk." + std::to_string(i) + ".";
  const size_t d = width_, narrow = d / attention.heads * attention.kv_heads;
  nn::TransformerBlock b;
  b.attention.residual.before = norm(in + "attn_norm");
  b.attention.q = map(in + "attn_q", d, d);
  b.attention.k = map(in + "attn_k", narrow, d);
  b.attention.v = map(in + "attn_v", narrow, d);
  b.attention.out = map(in + "attn_output", d, d);
  b.attention.attention = attention;
  b.attention.rotation = 0;
  b.mlp.residual.before = norm(in + "ffn_norm");
  b.mlp.gate = map(in + "ffn_gate", hidden, d);
  b.mlp.up = map(in + "ffn_up", hidden, d);
  b.mlp.down = map(in + "ffn_down", d, hidden);
  b.mlp.activation = nn::Activation::silu;
  return b;
}

quant::Linear LanguageModel::map(const std::string& name, size_t m, size_t k) {
  const std::string full = name + ".weight";
  const GgufTensor* tensor = file_.find(full);
  if (tensor == nullptr || tensor->shape != std::vector<uint64_t>{m, k}) {
    throw Error("tensor " + in_quotes(full) + ": expected " +
                shape_text(std::vector<uint64_t>{m, k}) + ", found " +
                (tensor == nullptr ? "none" : shape_text(tensor->shape)));
  }
  read_.insert(full);
  expect_numbers(*tensor);  // of other types the shape says nothing about the file's size
  const size_t bytes = quant::weight_bytes(type_, m, k);
  const std::span<std::byte> data(memory_.bytes(bytes), bytes);
  const std::span<uint16_t> scale = scales_.emplace_back(quant::is_integer(type_) ? m : 0);
  on_rows(executor_, m, [&](size_t begin, size_t end) {
    const std::vector<float> rows = read_rows(*tensor, begin, end - begin);
    const size_t at = quant::weight_bytes(type_, begin, k);
    try {
      quant::pack(type_, rows, end - begin, k, 0,
                  data.subspan(at, quant::weight_bytes(type_, end - begin, k)),
                  scale.empty() ? scale : scale.subspan(begin, end - begin));
    } catch (const Error& e) {
      throw Error("tensor " + in_quotes(full) + ", rows from " + std::to_string(begin) + ": " +
                  e.what());
    }
  });
  return {{type_, m, k, data, scale, 0}, {}, isa_};
}

// llama.cpp's kinds of tokens tell which stand for no text.
std::vector<uint32_t> LanguageModel::controls() const {
  std::vector<uint32_t> ids;
  const std::vector<int64_t> kinds = file_.integers("tokenizer.ggml.token_type");
  for (size_t i = 0; i < std::min(kinds.size(), size()); ++i) {
    if (kinds[i] == kControl) ids.push_back(static_cast<uint32_t>(i));
  }
  return ids;
}

decoder::PrefixDecoder::Weights LanguageModel::weights(const quant::Linear& prefix,
                                                       uint32_t end) const {
  std::vector<uint32_t> closed = controls();
  std::erase(closed, end);
  // llama.cpp lays q and k out so that neighbours turn together.
  return {.prefix = prefix, .pieces = pieces_, .blocks = blocks_, .frequencies = frequencies_,
          .pairing = nn::Pairing::neighbours, .norm = norm_,
          .closed = std::move(closed), .end = end};
}

void LanguageModel::join(std::span<const uint32_t> ids, std::string& out) const {
  std::vector<std::string_view> pieces;
  for (const uint32_t id : ids) pieces.push_back(spellings_->at(id));
  out = language::join_byte_level(pieces);
}

}  // namespace sterna::models
