#include <sterna/nn/pool.h>
#include <sterna/nn/unit.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "bind.h"
#include "golden.h"
#include "sterna/models/gguf.h"

namespace sterna::models {
namespace {

/// The towers of a GGUF as Model binds them, run on normalised pixels and token ids.
class GgufRunner {
 public:
  GgufRunner(const Gguf& file, const Golden& golden, Session& session, quant::Isa isa)
      : preprocess_(bind_preprocess(file)),
        text_(bind_text(file, isa)),
        tower_(bind_tower(file, preprocess_, text_.width(), isa)),
        predictor_(bind_predictor(file, tower_.width(), text_.width(), isa)),
        golden_(golden),
        session_(session) {}

  Found run(const std::string& output) {
    if (output == "vision_tokens") return see().tokens;
    if (output == "predicted") return predicted();
    if (output == "target") return target();
    golden_.no_output(output);
  }

 private:
  struct Seen {
    Found tokens;
    std::vector<float> meaning;  // [B, tokens, dim]
  };

  Seen see();
  Found predicted();
  Found target();
  std::vector<float> states(const TextBatch& batch, size_t i);

  vision::Preprocess preprocess_;
  language::TextEncoder text_;
  vision::HybridTower tower_;
  predictor::PointerPredictor predictor_;
  const Golden& golden_;
  Session& session_;
};

GgufRunner::Seen GgufRunner::see() {
  const PixelBatch batch = golden_.pixels("pixels", true);
  const size_t side = preprocess_.size, plane = side * side, n = tower_.tokens();
  if (batch.frames != 1 || batch.height != side || batch.width != side) {
    throw Error("tensor \"pixels\": expected [B, 1, 3, " + std::to_string(side) + ", " +
                std::to_string(side) + "], found " + std::to_string(batch.frames) + " frames of " +
                std::to_string(batch.width) + " x " + std::to_string(batch.height));
  }
  Seen seen;
  seen.tokens.shape = {batch.clips, n, tower_.width()};
  seen.tokens.values.resize(batch.clips * n * tower_.width());
  seen.meaning.resize(batch.clips * n * tower_.dim());
  std::vector<uint8_t> rgb(3 * plane);
  for (size_t i = 0; i < batch.clips; ++i) {
    // The tower counts colours, so it takes the 8-bit pixels that were normalised.
    for (size_t c = 0; c < 3; ++c) {
      const float* from = &batch.values[(i * 3 + c) * plane];
      for (size_t j = 0; j < plane; ++j) {
        const float x = std::round(from[j] * preprocess_.std[c] + preprocess_.mean[c]);
        rgb[3 * j + c] = static_cast<uint8_t>(x >= 0 ? std::min(x, 255.0F) : 0.0F);
      }
    }
    tower_.forward(rgb, {&seen.tokens.values[i * n * tower_.width()], n, tower_.width()},
                   {&seen.meaning[i * n * tower_.dim()], n, tower_.dim()}, session_.executor,
                   session_.workspace);
  }
  return seen;
}

/// The last hidden states of text i without its padding.
std::vector<float> GgufRunner::states(const TextBatch& batch, size_t i) {
  std::vector<uint32_t> ids;
  for (size_t j = batch.starts[i]; j < batch.starts[i + 1]; ++j)
    if (batch.hidden[j] == 0) ids.push_back(batch.ids[j]);
  std::vector<float> out(ids.size() * text_.width());
  text_.tokens(ids, {out.data(), ids.size(), text_.width()}, session_.executor, session_.workspace);
  return out;
}

Found GgufRunner::predicted() {
  const Seen seen = see();
  const TextBatch query = golden_.texts("query_ids", "query_mask");
  const size_t n = tower_.tokens(), width = tower_.width(), dim = tower_.dim();
  if (query.texts != seen.tokens.shape[0]) {
    throw Error("tensor \"query_ids\": expected " + std::to_string(seen.tokens.shape[0]) +
                " texts, one a picture, found " + std::to_string(query.texts));
  }
  Found out;
  std::vector<float> row(dim);
  for (size_t i = 0; i < query.texts; ++i) {
    const std::vector<float> hidden = states(query, i);
    const predictor::Query one{{hidden.data(), hidden.size() / dim, dim},
                               {&seen.tokens.values[i * n * width], n, width},
                               {&seen.meaning[i * n * dim], n, dim},
                               tower_.grid()};
    predictor_.forward({&one, 1}, {row.data(), 1, dim}, session_.executor, session_.workspace);
    append(out, row);
  }
  return out;
}

Found GgufRunner::target() {
  const TextBatch texts = golden_.texts("target_ids", "target_mask");
  const size_t dim = text_.width();
  Found out;
  std::vector<float> row(dim);
  for (size_t i = 0; i < texts.texts; ++i) {
    const std::vector<float> hidden = states(texts, i);
    nn::mean_rows(nn::Mat<const float>(hidden.data(), hidden.size() / dim, dim), row.data());
    nn::l2_normalize(row.data(), dim);
    append(out, row);
  }
  return out;
}

}  // namespace

std::vector<Agreement> check_gguf(const Gguf& file, const Golden& golden, Session& session,
                                  quant::Isa isa) {
  GgufRunner runner(file, golden, session, isa);
  return golden.compare_all(file.file(),
                            [&](const std::string& output) { return runner.run(output); });
}

}  // namespace sterna::models
