#include "bench/policies.h"

#include <sterna/decoder/change.h>
#include <sterna/decoder/recall.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

namespace sterna::cli {
namespace {

constexpr std::array kPolicies{"uniform",  "sampled",        "ward",        "cusum",
                               "variance", "uniform+recall", "ward+recall", "cusum+recall"};
constexpr std::string_view kRecall = "+recall";
// Where gates are asked for about as many decodes as there are events, the grid is finer.
constexpr double kFixedRates[] = {0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6,
                                  0.8,  1,   1.25, 1.5, 2,    2.5, 3,   4};
constexpr double kGateRates[] = {0,    0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.33, 0.36, 0.39,
                                 0.42, 0.45, 0.5, 0.55, 0.6, 0.7,  0.8, 1,    1.5,  2};

std::string gate_of(const std::string& policy) { return policy.substr(0, policy.find('+')); }

std::unique_ptr<decoder::Gate> make_gate(const std::string& name, size_t dim, double rate) {
  decoder::CusumGate::Config config;
  config.dim = dim;
  config.target_rate = rate;
  if (name == "uniform" || name == "sampled") {
    return std::make_unique<decoder::UniformGate>(dim, 1 / rate);
  }
  if (name == "ward") {
    // A merge cost is CUSUM's gain: one threshold for both.
    decoder::WardCut cut;
    (rate > 0 ? cut.rate : cut.cost) = rate > 0 ? rate : config.threshold;
    return std::make_unique<decoder::WardGate>(dim, cut);
  }
  if (name == "cusum") return std::make_unique<decoder::CusumGate>(config);
  config.threshold = 0.1;  // of `watch --gate variance`
  return std::make_unique<decoder::VarianceGate>(config);
}

void judge(const std::vector<StreamEvent>& events, const std::vector<Spoken>& outputs,
           PolicyRow& row) {
  row.segments = outputs.size();
  row.score = accuracy(events, outputs);
  row.cider = cider(events, outputs);
  const BoundaryF1 f1 = boundary_f1(events, outputs, 0.5);
  row.f1 = f1.all;
  row.f1_cuts = f1.cuts;
  row.f1_dissolves = f1.dissolves;
}

/// Two policies' worth of decodes for a score: the fewer of those that reach it.
std::optional<double> fewer(std::optional<double> a, std::optional<double> b) {
  if (a && b) return std::min(*a, *b);
  return a ? a : b;
}

}  // namespace

std::span<const char* const> policies() { return kPolicies; }

std::span<const double> rates_of(const std::string& policy) {
  const std::string gate = gate_of(policy);
  if (gate == "uniform" || gate == "sampled") return kFixedRates;
  return kGateRates;
}

PolicyRow run_policy(const std::string& policy, double rate, double recall_cosine,
                     const EmbeddedStream& stream, const std::vector<StreamEvent>& events,
                     const PutIntoWords& decode) {
  const std::string name = gate_of(policy);
  const auto gate = make_gate(name, stream.dim, rate);
  std::optional<decoder::Recall> recall;
  if (policy.ends_with(kRecall)) recall.emplace(stream.dim, recall_cosine);
  PolicyRow row{policy, rate};
  std::vector<Spoken> outputs;
  // What was said is kept as a number among the outputs: a label and a caption go together.
  const auto say = [&](const decoder::Segment& s) {
    const std::span<const float> meaning =
        name == "sampled" ? stream.row(s.first + s.frames / 2) : s.average;
    Spoken out{s.start, s.end, "", ""};
    const decoder::Words* known = recall ? recall->find(meaning) : nullptr;
    if (known != nullptr) {
      const Spoken& before = outputs[std::stoul(known->text)];
      out.text = before.text;
      out.caption = before.caption;
    } else {
      decode(meaning, out);
      ++row.decodes;
      if (recall) recall->keep(meaning, {std::to_string(outputs.size()), 1});
    }
    outputs.push_back(std::move(out));
  };
  const auto take = [&](std::optional<double> now) {
    while (const decoder::Segment* s = gate->next()) {
      if (now) row.delay = std::max(row.delay.value_or(0), *now - s->end);
      say(*s);
    }
  };
  for (size_t i = 0; i < stream.times.size(); ++i) {
    gate->push(stream.times[i], stream.row(i));
    take(stream.times[i]);
  }
  gate->finish();
  take(std::nullopt);
  judge(events, outputs, row);
  return row;
}

PolicyRow run_truth(const EmbeddedStream& stream, const std::vector<StreamEvent>& events,
                    const PutIntoWords& decode) {
  PolicyRow row{"truth", 0};
  std::vector<Spoken> outputs;
  std::vector<float> sum(stream.dim);
  size_t frame = 0;
  for (const StreamEvent& event : events) {
    std::ranges::fill(sum, 0.0f);
    bool any = false;
    for (; frame < stream.times.size() && stream.times[frame] < event.end; ++frame, any = true) {
      for (size_t j = 0; j < stream.dim; ++j) sum[j] += stream.row(frame)[j];
    }
    if (!any || !decoder::normalise(sum, sum)) continue;
    decode(sum, outputs.emplace_back(Spoken{event.start, event.end, "", ""}));
    ++row.decodes;
  }
  judge(events, outputs, row);
  return row;
}

std::vector<PolicyRow> pool(const std::vector<std::vector<PolicyRow>>& streams) {
  // Every stream has the same policies at the same rates, in the same order.
  std::vector<PolicyRow> pooled = streams.at(0);
  const auto n = static_cast<double>(streams.size());
  for (size_t i = 0; i < pooled.size(); ++i) {
    PolicyRow sum{pooled[i].policy, pooled[i].rate};
    for (const auto& rows : streams) {
      sum.decodes += rows[i].decodes;
      sum.segments += rows[i].segments;
      sum.score += rows[i].score / n;
      sum.cider += rows[i].cider / n;
      sum.f1 += rows[i].f1 / n;
    }
    pooled[i] = sum;
  }
  return pooled;
}

std::optional<double> decodes_for(const std::vector<PolicyRow>& rows, const std::string& policy,
                                  Metric metric, double score) {
  std::vector<const PolicyRow*> curve;
  for (const PolicyRow& row : rows) {
    if (row.policy == policy) curve.push_back(&row);
  }
  std::stable_sort(curve.begin(), curve.end(),
                   [](const PolicyRow* a, const PolicyRow* b) { return a->decodes < b->decodes; });
  const PolicyRow* before = nullptr;
  for (const PolicyRow* row : curve) {
    const auto decodes = static_cast<double>(row->decodes);
    if (row->*metric >= score) {
      if (before == nullptr) return decodes;
      const auto fewer = static_cast<double>(before->decodes);
      return fewer +
             (decodes - fewer) * (score - before->*metric) / (row->*metric - before->*metric);
    }
    before = row;
  }
  return std::nullopt;
}

std::optional<double> fixed_decodes_for(const std::vector<PolicyRow>& rows, Metric metric,
                                        double score) {
  return fewer(decodes_for(rows, "uniform", metric, score),
               decodes_for(rows, "sampled", metric, score));
}

double fixed_score(const std::vector<PolicyRow>& rows, Metric metric, double rate) {
  double best = 0;
  for (const PolicyRow& row : rows) {
    const bool fixed = row.policy == "uniform" || row.policy == "sampled";
    if (fixed && row.rate == rate) best = std::max(best, row.*metric);
  }
  return best;
}

}  // namespace sterna::cli
