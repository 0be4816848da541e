#include "bench/decode.h"

#include <sterna/models/model.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "bench/embed.h"
#include "bench/plot.h"
#include "bench/policies.h"

namespace sterna::cli {
namespace {

using nlohmann::ordered_json;

/// Rates of decoding at fixed intervals whose scores the policies are to equal.
constexpr double kEqual[] = {0.5, 1, 1.5, 2, 3};

double rounded(double v) { return std::round(v * 1e4) / 1e4; }
ordered_json rounded(const std::optional<double>& v) {
  return v ? ordered_json(rounded(*v)) : ordered_json(nullptr);
}

/// The score of saying the most frequent label always: a score near it compares nothing.
double majority(const std::vector<StreamEvent>& events) {
  std::map<std::string, size_t> counts;
  size_t most = 0;
  for (const StreamEvent& event : events) most = std::max(most, ++counts[event.label]);
  return events.empty() ? 0 : static_cast<double>(most) / static_cast<double>(events.size());
}

class Bench {
 public:
  Bench(const BenchDecodeOptions& options, const Model& model, Session& session)
      : options_(options), model_(model), session_(session) {}

  void stream(uint64_t seed);
  void finish();

 private:
  void print(const char* what, const ordered_json& json) const {
    options_.print(options_.json ? json.dump() : what + (": " + json.dump()));
  }
  void say(std::span<const float> meaning, Spoken& out);
  void print_row(const PolicyRow& row, uint64_t seed, std::optional<double> ratio,
                 std::optional<double> cider_ratio) const;
  void print_unchanged(const EmbeddedScript& script, const std::vector<StreamEvent>& events,
                       const PolicyRow& all);
  void print_equal(const char* metric_name, Metric metric, double rate) const;
  void print_boundaries(const std::string& policy, double rate) const;

  const BenchDecodeOptions& options_;
  const Model& model_;
  Session& session_;
  AnswerTable labels_, captions_;
  Answer answer_;
  size_t decodes_ = 0;
  double decode_seconds_ = 0;
  std::vector<std::vector<PolicyRow>> streams_;  // the same policies and rates in each
};

void Bench::say(std::span<const float> meaning, Spoken& out) {
  const auto start = std::chrono::steady_clock::now();
  model_.decode(meaning, &labels_, 1, answer_, session_);
  out.text = answer_.text;
  model_.decode(meaning, &captions_, 1, answer_, session_);
  out.caption = answer_.text;
  decode_seconds_ +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ++decodes_;
}

void Bench::stream(uint64_t seed) {
  StreamScript script = options_.script;
  script.seed = seed;
  StreamGenerator generator(script);
  const std::vector<StreamEvent>& events = generator.events();
  labels_ = model_.encode(generator.labels(), session_);
  captions_ = model_.encode(generator.captions(), session_);
  const EmbeddedScript embedded = embed_script(options_, generator, model_, session_);
  const auto decode = [&](std::span<const float> meaning, Spoken& out) { say(meaning, out); };

  const ordered_json about{{"stream", seed},
                           {"seconds", script.seconds},
                           {"events", events.size()},
                           {"labels", generator.labels().size()},
                           {"captions", generator.captions().size()},
                           {"majority", rounded(majority(events))}};
  print("stream", about);
  if (!options_.json) {
    options_.print(
        "policy, asked Hz (0: own threshold), decodes, score, CIDEr, F1 of boundaries, delay s, "
        "how many times as many decodes at fixed intervals for that score, and for that CIDEr");
  }
  std::vector<PolicyRow>& rows = streams_.emplace_back();
  for (const char* policy : policies()) {
    for (const double rate : rates_of(policy)) {
      rows.push_back(run_policy(policy, rate, options_.recall, embedded.stream, events, decode));
    }
  }
  rows.push_back(run_truth(embedded.stream, events, decode));
  for (const PolicyRow& row : rows) {
    const auto times = [&](Metric metric) {
      std::optional<double> fixed = fixed_decodes_for(rows, metric, row.*metric);
      if (fixed) *fixed /= static_cast<double>(std::max<size_t>(1, row.decodes));
      return fixed;
    };
    print_row(row, seed, times(&PolicyRow::score), times(&PolicyRow::cider));
  }
  const auto all = std::find_if(rows.begin(), rows.end(), [](const PolicyRow& row) {
    return row.policy == "cusum" && row.rate == 0;
  });
  if (!embedded.read) print_unchanged(embedded, events, *all);
}

void Bench::print_row(const PolicyRow& row, uint64_t seed, std::optional<double> ratio,
                      std::optional<double> cider_ratio) const {
  if (options_.json) {
    print("", {{"policy", row.policy},
               {"rate", row.rate},
               {"score", rounded(row.score)},
               {"decodes", row.decodes},
               {"segments", row.segments},
               {"cider", rounded(row.cider)},
               {"boundary_f1", rounded(row.f1)},
               {"f1_cuts", rounded(row.f1_cuts)},
               {"f1_dissolves", rounded(row.f1_dissolves)},
               {"delay", rounded(row.delay)},
               {"ratio", rounded(ratio)},
               {"cider_ratio", rounded(cider_ratio)},
               {"seed", seed}});
    return;
  }
  char line[128];
  std::snprintf(line, sizeof line, "%-14s %5.2f %6zu  %.3f  %6.3f  %.3f  %6.2f  ",
                row.policy.c_str(), row.rate, row.decodes, row.score, row.cider, row.f1,
                row.delay.value_or(options_.script.seconds));
  std::string out = line;
  for (const auto& times : {ratio, cider_ratio}) {
    char number[16] = " never";
    if (times) std::snprintf(number, sizeof number, "%6.2f", *times);
    out += number;
  }
  options_.print(out);
}

/// What sparing the tower costs in score, and what a pass costs.
void Bench::print_unchanged(const EmbeddedScript& script, const std::vector<StreamEvent>& events,
                            const PolicyRow& all) {
  const auto decode = [&](std::span<const float> meaning, Spoken& out) { say(meaning, out); };
  const PolicyRow less = run_policy("cusum", 0, options_.recall, script.spared, events, decode);
  const auto frames = static_cast<double>(std::max<size_t>(1, script.stream.times.size()));
  print("unchanged frames",
        {{"unchanged", rounded(1 - static_cast<double>(script.encoded) / frames)},
         {"levels", options_.levels},
         {"gate", "cusum"},
         {"score", rounded(less.score)},
         {"score_all_encoded", rounded(all.score)},
         {"boundary_f1", rounded(less.f1)},
         {"boundary_f1_all_encoded", rounded(all.f1)},
         {"decodes", less.decodes}});
  const auto each = [&](std::optional<double> all_passes) -> ordered_json {
    if (!all_passes) return nullptr;
    return *all_passes / frames;
  };
  std::optional<double> instructions;
  if (script.cost.instructions) instructions = static_cast<double>(*script.cost.instructions);
  print("a pass of the tower",
        {{"ms_per_embedding", rounded(1e3 * script.embed_seconds / frames)},
         {"ms_per_comparison", rounded(1e3 * script.compare_seconds / frames)},
         {"cpu_ms_per_embedding", rounded(1e3 * script.cost.cpu_seconds / frames)},
         {"joules_per_embedding", each(script.cost.joules)},
         {"instructions_per_embedding", each(instructions)}});
}

/// For the score that fixed intervals reach at `rate`: how many times fewer decodes each policy
/// needs, over all streams as one and for each of them. A stream where a policy never reaches it
/// counts 0.
void Bench::print_equal(const char* metric_name, Metric metric, double rate) const {
  const auto ratio_of = [&](const std::vector<PolicyRow>& rows, const std::string& policy) {
    const double score = fixed_score(rows, metric, rate);
    const auto fixed = fixed_decodes_for(rows, metric, score);
    auto needed = decodes_for(rows, policy, metric, score);
    if (needed && policy == "truth") {  // any part of the events is a part of its score
      const auto all = std::ranges::find(rows, policy, &PolicyRow::policy);
      *needed *= score / ((*all).*metric);
    }
    return fixed && needed ? *fixed / *needed : 0;
  };
  const std::vector<PolicyRow> pooled = pool(streams_);
  ordered_json json{{"equal", metric_name},
                    {"fixed_rate", rate},
                    {metric_name, rounded(fixed_score(pooled, metric, rate))}};
  std::vector<std::string> names{"truth"};
  for (const std::string name : policies()) {
    if (name != "uniform" && name != "sampled") names.push_back(name);
  }
  for (const std::string& name : names) {
    std::vector<double> ratios;
    for (const auto& rows : streams_) ratios.push_back(ratio_of(rows, name));
    std::ranges::sort(ratios);
    json[name] = {{"ratio", rounded(ratio_of(pooled, name))},
                  {"median", rounded(ratios[ratios.size() / 2])},
                  {"least", rounded(ratios.front())},
                  {"most", rounded(ratios.back())}};
  }
  print("fewer decodes", json);
}

void Bench::print_boundaries(const std::string& policy, double rate) const {
  ordered_json json{{"boundaries", policy}, {"rate", rate}, {"streams", streams_.size()}};
  const auto put = [&](const char* name, const auto& value) {
    std::vector<double> values;
    for (const auto& rows : streams_) {
      for (const PolicyRow& row : rows) {
        if (row.policy != policy || row.rate != rate) continue;
        if (const std::optional<double> v = value(row)) values.push_back(*v);
      }
    }
    if (values.empty()) return;
    std::ranges::sort(values);
    json[name] = {{"median", rounded(values[values.size() / 2])},
                  {"least", rounded(values.front())},
                  {"most", rounded(values.back())}};
  };
  using Value = std::optional<double>;
  put("decodes", [](const PolicyRow& r) { return Value(static_cast<double>(r.decodes)); });
  put("score", [](const PolicyRow& r) { return Value(r.score); });
  put("cider", [](const PolicyRow& r) { return Value(r.cider); });
  put("f1", [](const PolicyRow& r) { return Value(r.f1); });
  put("f1_cuts", [](const PolicyRow& r) { return r.f1_cuts; });
  put("f1_dissolves", [](const PolicyRow& r) { return r.f1_dissolves; });
  put("delay", [](const PolicyRow& r) { return r.delay; });
  print("boundaries", json);
}

void Bench::finish() {
  for (const char* policy : {"ward", "cusum", "variance"}) {
    for (const double rate : {0.0, 0.39}) print_boundaries(policy, rate);
  }
  for (const double rate : kEqual) {
    print_equal("score", &PolicyRow::score, rate);
    print_equal("cider", &PolicyRow::cider, rate);
  }
  const size_t compared = labels_.texts.size() + captions_.texts.size();
  print("a decode",
        {{"ms_per_decode",
          rounded(1e3 * decode_seconds_ / static_cast<double>(std::max<size_t>(1, decodes_)))},
         // One embedding with every label and caption: a product and a sum for each number.
         {"flops_per_decode", 2 * compared * model_.dim()}});
  if (!options_.plot.empty()) write_plot(options_.plot, streams_, options_.script.seconds);
}

}  // namespace

int bench_decode(const BenchDecodeOptions& options, const Model& model, Session& session) {
  Bench bench(options, model, session);
  for (size_t i = 0; i < options.streams; ++i) bench.stream(options.script.seed + i);
  bench.finish();
  return 0;
}

}  // namespace sterna::cli
