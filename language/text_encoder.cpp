#include <sterna/language/text_encoder.h>
#include <sterna/nn/unit.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <string>
#include <utility>

namespace sterna::language {

namespace {

// Tokens of a batch: enough that the weights' way from memory is shared by many texts, few enough
// that activations stay in cache.
constexpr size_t kBatchTokens = 512;

/// out = mean of rows, scaled to unit length (a zero mean stays zero).
void pool(nn::Mat<const float> rows, float* out) {
  std::fill(out, out + rows.cols, 0.0f);
  for (size_t i = 0; i < rows.rows; ++i)
    for (size_t j = 0; j < rows.cols; ++j) out[j] += rows.row(i)[j];
  nn::l2_normalize(out, rows.cols);
}

}  // namespace

TextEncoder::TextEncoder(WordPiece tokenizer, Bert bert, size_t max_tokens)
    : tokenizer_(std::move(tokenizer)), bert_(std::move(bert)), max_tokens_(max_tokens) {
  if (max_tokens < 2 || max_tokens > bert_.longest_text()) {
    throw Error("text encoder: longest text: expected 2 to " +
                std::to_string(bert_.longest_text()) + " tokens, found " +
                std::to_string(max_tokens));
  }
  if (tokenizer_.size() > bert_.vocabulary()) {
    throw Error("text encoder: token embedding: expected at least " +
                std::to_string(tokenizer_.size()) + " rows for the tokenizer, found " +
                std::to_string(bert_.vocabulary()));
  }
}

void TextEncoder::tokens(std::span<const uint32_t> ids, nn::Mat<float> out,
                         const nn::Executor& executor, nn::Workspace& workspace) const {
  const uint32_t starts[2] = {0, static_cast<uint32_t>(ids.size())};
  bert_.forward(ids, starts, out, executor, workspace);
}

template <class Text>
void TextEncoder::embed_all(std::span<const Text> texts, nn::Mat<float> out,
                            const nn::Executor& executor, nn::Workspace& workspace) const {
  if (out.rows != texts.size() || out.cols != width()) {
    throw Error("text encoder: embeddings: expected [" + std::to_string(texts.size()) + ", " +
                std::to_string(width()) + "], found [" + std::to_string(out.rows) + ", " +
                std::to_string(out.cols) + "]");
  }
  std::vector<uint32_t> ids, batch, starts;
  size_t first = 0;  // text of the batch's first row
  for (size_t i = 0; i < texts.size(); ++i) {
    if (batch.empty()) starts.assign(1, 0), first = i;
    tokenize(texts[i], ids);
    batch.insert(batch.end(), ids.begin(), ids.end());
    starts.push_back(static_cast<uint32_t>(batch.size()));
    if (i + 1 < texts.size() && batch.size() < kBatchTokens) continue;

    const nn::Workspace::Frame frame(workspace);
    const auto hidden = workspace.mat<float>(batch.size(), width());
    bert_.forward(batch, starts, hidden, executor, workspace);
    for (size_t s = 0; s + 1 < starts.size(); ++s)
      pool(hidden.slice_rows(starts[s], starts[s + 1] - starts[s]), out.row(first + s));
    batch.clear();
  }
}

void TextEncoder::embed(std::string_view text, std::span<float> out, const nn::Executor& executor,
                        nn::Workspace& workspace) const {
  embed_all(std::span<const std::string_view>(&text, 1), nn::Mat<float>(out.data(), 1, out.size()),
            executor, workspace);
}

void TextEncoder::embed(std::span<const std::string> texts, nn::Mat<float> out,
                        const nn::Executor& executor, nn::Workspace& workspace) const {
  embed_all(texts, out, executor, workspace);
}

}  // namespace sterna::language
