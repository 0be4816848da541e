#include "calibrate.h"

#include <sterna/language/bert.h>
#include <sterna/nn/executor.h>
#include <sterna/nn/row_table.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/error.h>

#include <algorithm>

#include "bind.h"
#include "ggml_rows.h"
#include "gptq.h"
#include "input_moments.h"
#include "quantize_rules.h"
#include "rounded_maps.h"
#include "tensor_job.h"
#include "text.h"

namespace sterna::models {
namespace {

using language::BertMap;

constexpr size_t kBatchTokens = 4096;  // of a forward pass: bounds the memory of activations

struct Named {
  BertMap map;
  const char* name;
  nn::PreciseLinear language::BertBlock::*member;
};
constexpr Named kMaps[] = {{BertMap::qkv, "qkv", &language::BertBlock::qkv},
                           {BertMap::attn_out, "attn_out", &language::BertBlock::attn_out},
                           {BertMap::mlp_up, "mlp_up", &language::BertBlock::mlp_up},
                           {BertMap::mlp_down, "mlp_down", &language::BertBlock::mlp_down}};

/// The calibration texts on their way through the tower.
struct Activations {
  std::vector<uint32_t> ids;     // of all texts, end to end
  std::vector<uint32_t> starts;  // [texts + 1]
  std::vector<float> weights;    // [ids]: 1 / tokens of the text
  std::vector<float> x;          // [ids, d]: inputs of the block that is looked at
};

Activations tokenize(const language::WordPiece& tokenizer, size_t most,
                     std::span<const std::string> texts) {
  Activations a{.ids = {}, .starts = {0}, .weights = {}, .x = {}};
  std::vector<uint32_t> ids;
  for (const std::string& text : texts) {
    tokenizer.encode(text, most, ids);
    a.ids.insert(a.ids.end(), ids.begin(), ids.end());
    a.starts.push_back(static_cast<uint32_t>(a.ids.size()));
    a.weights.insert(a.weights.end(), ids.size(), 1.0f / static_cast<float>(ids.size()));
  }
  return a;
}

class TextCalibration {
 public:
  TextCalibration(const Gguf& file, std::span<const QuantizeRule> rules,
                  const Calibration& calibration)
      : file_(file),
        rules_(rules),
        isa_(quant::best_isa()),
        executor_(calibration.threads),
        parts_(bind_text_parts(file, isa_)),
        activations_(tokenize(parts_.tokenizer, parts_.max_tokens, calibration.texts)) {}

  Calibrated run() {
    store_table();
    const size_t d = parts_.weights.type.size();
    activations_.x.resize(activations_.ids.size() * d);
    const language::Bert start = tower();
    for_batches([&](size_t first, std::span<const uint32_t> starts, nn::Mat<float> x) {
      start.embed(std::span(activations_.ids).subspan(first, x.rows), starts, x, executor_);
    });
    for (size_t i = 0; i < parts_.weights.blocks.size(); ++i) {
      for (const Named& map : kMaps) store_map(i, map);
      const language::Bert rounded = tower();
      for_batches([&](size_t, std::span<const uint32_t> starts, nn::Mat<float> x) {
        rounded.block(i, starts, x, executor_, workspace_);
      });
    }
    if (out_.maps.empty()) {
      throw Error(file_.file() +
                  ": calibration: expected rules that store linear maps of the text tower "
                  "(language.blocks.*) as i8, found none");
    }
    return std::move(out_);
  }

 private:
  language::Bert tower() const { return {parts_.weights, parts_.heads, parts_.eps, isa_}; }

  // f(first token, starts from 0, x of its tokens) over runs of whole texts.
  template <class F>
  void for_batches(F&& f) {
    const size_t d = parts_.weights.type.size();
    const std::vector<uint32_t>& starts = activations_.starts;
    std::vector<uint32_t> own;
    for (size_t s = 0; s + 1 < starts.size();) {
      const uint32_t first = starts[s];
      own.assign(1, 0);
      do {
        own.push_back(starts[++s] - first);
      } while (s + 1 < starts.size() && starts[s + 1] - first <= kBatchTokens);
      f(first, own, nn::Mat<float>(activations_.x.data() + first * d, own.back(), d));
    }
  }

  // What the rules make of a tensor that the tower has.
  TensorJob job(const std::string& name) const {
    TensorJob job = job_of(file_, *file_.find(name), nullptr);
    decide(job, rules_);
    return job;
  }

  // The token embedding as the rules store it.
  void store_table() {
    const TensorJob table = job("language.token_embedding");
    if (table.keep) return;
    words_ = as_stored(table);
    parts_.weights.token_embedding = nn::RowTable(words_, static_cast<size_t>(table.rows),
                                                  static_cast<size_t>(table.cols), isa_);
  }

  // The map `stored` as it is bound of the file that will be, rounded without calibration.
  quant::WeightView packed(const TensorJob& stored, size_t m, size_t k) {
    const std::string& type = stored.rule.type;
    const bool laid_out = type == "q4_0" || type == "i8row";  // as bf16
    if (!laid_out && !format_of(type).layout) {
      throw Error(file_.file() + ": tensor " + in_quotes(stored.name) + ": rule " +
                  in_quotes(stored.rule.pattern + "=" + type) +
                  ": calibration on texts: expected a map in f32, bf16, i8, t2, t5, t34, t14, q4_0 "
                  "or i8row");
    }
    const quant::Type layout = laid_out ? quant::Type::bf16 : quant::parse_type(type);
    const size_t group = laid_out ? 0 : stored.rule.group;
    const std::vector<float> w = laid_out ? as_stored(stored) : read_all(*stored.source);
    return store_.keep(layout, m, k, quant::pack(layout, w, m, k, group), group);
  }

  // Rounds a map of block i on what the tower so far gives it, and puts it into the tower.
  void store_map(size_t i, const Named& map) {
    const std::string scope = "language.blocks." + std::to_string(i) + "." + map.name;
    const std::string name = scope + ".weight";
    const TensorJob stored = job(name);
    const bool calibrated = stored.rule.type == "i8";
    if (!calibrated && (stored.keep || stored.rule.type == "f32")) return;
    nn::PreciseLinear& linear = parts_.weights.blocks[i].*map.member;
    const size_t m = linear.m(), k = linear.k();
    const quant::WeightView view = Weights(file_).linear(name, m, k);
    if (view.type != quant::Type::f32) {
      throw Error(file_.file() + ": tensor " + in_quotes(name) +
                  ": calibration: expected f32, found " + stored.source->text());
    }
    const std::span w(reinterpret_cast<const float*>(view.data.data()), m * k);
    try {
      if (!calibrated) {
        const std::span bias = Weights(file_).floats(scope + ".bias", {m});
        linear = quant::Linear(packed(stored, m, k), bias, isa_);
        return;
      }
      const size_t group = stored.rule.group;
      const InputMoments moments = inputs(i, map.map, k);
      const Rounded rounded = gptq(w, m, k, moments.covariance(), group);
      const quant::Packed& packed = out_.weights[name] =
          quant::pack_integers(quant::Type::i8, rounded.q, rounded.scale, m, k, group);
      const quant::WeightView small = store_.keep(quant::Type::i8, m, k, packed, group);
      const std::vector<float>& bias = out_.bias[scope + ".bias"] =
          corrected_bias(scope, w, small, moments.mean());
      linear = quant::Linear(small, bias, isa_);
      report(name, w, m, k, moments, rounded);
    } catch (const Error& e) {
      const std::string what = e.what();
      if (what.starts_with(file_.file())) throw;
      throw Error(file_.file() + ": tensor " + in_quotes(name) + ": " + what);
    }
  }

  InputMoments inputs(size_t i, BertMap wanted, size_t k) {
    InputMoments moments(k);
    const language::Bert bert = tower();
    for_batches([&](size_t first, std::span<const uint32_t> starts, nn::Mat<float> x) {
      const nn::Workspace::Frame frame(workspace_);
      const auto copy = workspace_.mat<float>(x.rows, x.cols);
      std::copy_n(x.data, x.rows * x.cols, copy.data);
      bert.block(i, starts, copy, executor_, workspace_, [&](BertMap map, nn::Mat<const float> in) {
        if (map != wanted) return;
        moments.add(in, std::span(activations_.weights).subspan(first, in.rows));
      });
    });
    return moments;
  }

  // b + (W - Q) mean: the mean output stays what it was.
  std::vector<float> corrected_bias(const std::string& scope, std::span<const float> w,
                                    const quant::WeightView& small,
                                    const std::vector<double>& mean) const {
    std::vector<float> q(w.size());
    quant::dequantise(small, q);
    const std::span old = Weights(file_).floats(scope + ".bias", {small.m});
    std::vector<float> bias(small.m);
    for (size_t r = 0; r < small.m; ++r) {
      double sum = static_cast<double>(old[r]);
      for (size_t c = 0; c < small.k; ++c) {
        const size_t at = r * small.k + c;
        sum += (static_cast<double>(w[at]) - static_cast<double>(q[at])) * mean[c];
      }
      bias[r] = static_cast<float>(sum);
    }
    return bias;
  }

  // Errors as shares of the output's standard deviation.
  void report(const std::string& name, std::span<const float> w, size_t m, size_t k,
              const InputMoments& moments, const Rounded& rounded) {
    const double power = output_power(w, m, k, moments.covariance());
    out_.maps.push_back(
        {name, error_share(rounded.nearest, power), error_share(rounded.error, power)});
  }

  const Gguf& file_;
  std::span<const QuantizeRule> rules_;
  quant::Isa isa_;
  nn::Executor executor_;
  TextParts parts_;
  Activations activations_;
  nn::Workspace workspace_;
  PackedStore store_;  // weights that parts_ views
  std::vector<float> words_;
  Calibrated out_;
};

}  // namespace

void Calibrated::merge(Calibrated other) {
  weights.merge(other.weights);
  bias.merge(other.bias);
  maps.insert(maps.end(), other.maps.begin(), other.maps.end());
}

Calibrated calibrate_text(const Gguf& file, std::span<const QuantizeRule> rules,
                          const Calibration& calibration) {
  if (calibration.texts.empty()) throw Error("calibration: expected at least one text, found none");
  return TextCalibration(file, rules, calibration).run();
}

}  // namespace sterna::models
