#include "bench_decode.h"

#include <sterna/decoder/change.h>
#include <sterna/models/atomic_file.h>
#include <sterna/models/model.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "bench_score.h"
#include "watch/difference.h"

namespace sterna::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::array kPolicies{"uniform", "ward", "cusum", "variance"};
constexpr double kRates[] = {0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4,
                             0.5,  0.6, 0.8,  1,   1.25, 1.5, 2,    3};

struct Embedded {
  size_t dim = 0;
  std::vector<double> times;
  std::vector<float> rows;  // [times, dim]
};

struct Row {
  std::string policy;
  double rate = 0;  // asked for
  size_t decodes = 0;
  double score = 0, cider = 0, f1 = 0;
  double delay = 0;  // most seconds between a boundary and the frame that told of it
};

std::unique_ptr<decoder::Gate> make_gate(const std::string& policy, size_t dim, double rate) {
  if (policy == "uniform") return std::make_unique<decoder::UniformGate>(dim, 1 / rate);
  if (policy == "ward") {
    return std::make_unique<decoder::WardGate>(dim, decoder::WardCut{rate, std::nullopt, 1});
  }
  decoder::CusumGate::Config config;
  config.dim = dim;
  config.target_rate = rate;
  if (policy == "cusum") return std::make_unique<decoder::CusumGate>(config);
  return std::make_unique<decoder::VarianceGate>(config);
}

Row run(const std::string& policy, double rate, const Embedded& stream,
        const std::vector<StreamEvent>& events,
        const std::function<std::string(std::span<const float>)>& decode) {
  const auto gate = make_gate(policy, stream.dim, rate);
  Row row{policy, rate};
  std::vector<Spoken> outputs;
  const auto take = [&](std::optional<double> now) {
    while (const decoder::Segment* s = gate->next()) {
      outputs.push_back({s->start, s->end, decode(s->average)});
      if (now) row.delay = std::max(row.delay, *now - s->end);
    }
  };
  for (size_t i = 0; i < stream.times.size(); ++i) {
    gate->push(stream.times[i], std::span(stream.rows).subspan(i * stream.dim, stream.dim));
    take(stream.times[i]);
  }
  gate->finish();
  take(std::nullopt);
  row.decodes = outputs.size();
  row.score = accuracy(events, outputs);
  row.cider = cider(events, outputs);
  row.f1 = boundary_f1(events, outputs, 0.5);
  return row;
}

/// How many decodes the uniform policy needs for that score, between two of its rows linearly;
/// nullopt if it does not reach it. `rows` has its rows at ascending rates.
std::optional<double> uniform_decodes(const std::vector<Row>& rows, double score) {
  const Row* before = nullptr;
  for (const Row& row : rows) {
    if (row.policy != "uniform") continue;
    const auto decodes = static_cast<double>(row.decodes);
    if (row.score >= score) {
      if (before == nullptr) return decodes;
      const auto fewer = static_cast<double>(before->decodes);
      return fewer + (decodes - fewer) * (score - before->score) / (row.score - before->score);
    }
    before = &row;
  }
  return std::nullopt;
}

/// The row of `policy` with the fewest decodes whose score is at least `score`.
const Row* cheapest(const std::vector<Row>& rows, const std::string& policy, double score) {
  const Row* best = nullptr;
  for (const Row& row : rows) {
    if (row.policy != policy || row.score < score) continue;
    if (best == nullptr || row.decodes < best->decodes) best = &row;
  }
  return best;
}

/// The score of saying the most frequent label always: a uniform score near it compares nothing.
double majority(const std::vector<StreamEvent>& events) {
  std::map<std::string, size_t> counts;
  size_t most = 0;
  for (const StreamEvent& event : events) most = std::max(most, ++counts[event.label]);
  return events.empty() ? 0 : static_cast<double>(most) / static_cast<double>(events.size());
}

void write_plot(const std::string& path, const std::vector<Row>& rows, double seconds) {
  constexpr std::array kInk{"#888888", "#2a78c8", "#d1495b", "#e2a03f"};
  std::string svg =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 420\" "
      "font-family=\"sans-serif\" font-size=\"13\"><rect width=\"640\" height=\"420\" "
      "fill=\"white\"/>\n";
  const auto number = [](double v) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", v);
    return std::string(text);
  };
  // x: decodes a second on a logarithmic scale from 0.04 to 4; y: score from 0 to 1.
  const auto x = [&](double rate) {
    return 60 + 560 * std::log(std::max(rate, 0.04) / 0.04) / std::log(100);
  };
  const auto y = [](double score) { return 380 - 350 * score; };
  for (const double rate : {0.05, 0.1, 0.2, 0.5, 1.0, 2.0}) {
    char label[16];
    std::snprintf(label, sizeof label, "%g", rate);
    svg += "<line x1=\"" + number(x(rate)) + "\" x2=\"" + number(x(rate)) +
           "\" y1=\"30\" y2=\"380\" stroke=\"#ddd\"/><text x=\"" + number(x(rate)) +
           "\" y=\"396\" text-anchor=\"middle\">" + label + "</text>\n";
  }
  for (int tenth = 0; tenth <= 10; tenth += 2) {
    svg += "<line x1=\"60\" x2=\"620\" y1=\"" + number(y(tenth / 10.0)) + "\" y2=\"" +
           number(y(tenth / 10.0)) + "\" stroke=\"#ddd\"/><text x=\"52\" y=\"" +
           number(y(tenth / 10.0) + 4) + "\" text-anchor=\"end\">" + number(tenth / 10.0) +
           "</text>\n";
  }
  svg += "<text x=\"340\" y=\"414\" text-anchor=\"middle\">decodes a second</text>\n";
  for (size_t p = 0; p < kPolicies.size(); ++p) {
    std::vector<const Row*> curve;
    for (const Row& row : rows) {
      if (row.policy == kPolicies[p]) curve.push_back(&row);
    }
    std::sort(curve.begin(), curve.end(),
              [](const Row* a, const Row* b) { return a->decodes < b->decodes; });
    svg += std::string("<polyline fill=\"none\" stroke-width=\"2\" stroke=\"") + kInk[p] +
           "\" points=\"";
    for (const Row* row : curve) {
      svg += number(x(static_cast<double>(row->decodes) / seconds)) + "," + number(y(row->score)) +
             " ";
    }
    svg += "\"/><text x=\"70\" y=\"" + number(46 + 18 * static_cast<double>(p)) + "\" fill=\"" +
           kInk[p] + "\">" + kPolicies[p] + "</text>\n";
  }
  svg += "</svg>\n";
  models::AtomicFile file(path);
  file.write(std::as_bytes(std::span(svg)));
  file.commit();
}

double rounded(double v) { return std::round(v * 1e4) / 1e4; }

}  // namespace

int bench_decode(const BenchDecodeOptions& options, const Model& model, Session& session) {
  using Clock = std::chrono::steady_clock;
  StreamGenerator generator(options.script);
  const std::vector<StreamEvent>& events = generator.events();
  const std::vector<std::string> labels = generator.labels();
  const AnswerTable table = model.encode(labels, session);

  Embedded stream;
  stream.dim = model.dim();
  stream.rows.resize(generator.frames() * stream.dim);
  Scene scene;
  vision::Image frame;
  double embedding_seconds = 0, comparing_seconds = 0;
  Embedded spared = stream;  // the same, where a frame whose pixels did not move keeps the last row
  size_t last = 0;           // row of the frame encoded last
  size_t encoded = 0;
  PixelDifference difference(options.levels);
  for (size_t i = 0; i < generator.frames(); ++i) {
    generator.render(i, frame);
    const std::span<float> out = std::span(stream.rows).subspan(i * stream.dim, stream.dim);
    const auto start = Clock::now();
    model.see(frame.view(), scene, session);
    if (options.prompt.empty()) {
      model.embed(scene, out, session);
    } else {
      model.predict(scene, options.prompt, out, session);
    }
    embedding_seconds += std::chrono::duration<double>(Clock::now() - start).count();
    stream.times.push_back(generator.time(i));
    const auto compare = Clock::now();
    if (difference.changed(frame.view())) {
      last = i;
      ++encoded;
    }
    comparing_seconds += std::chrono::duration<double>(Clock::now() - compare).count();
    std::copy_n(&stream.rows[last * stream.dim], stream.dim, &spared.rows[i * stream.dim]);
  }
  spared.times = stream.times;

  Answer answer;
  size_t decodes = 0;
  double decoding_seconds = 0;
  const auto decode = [&](std::span<const float> average) {
    const auto start = Clock::now();
    model.decode(average, &table, 1, answer, session);
    decoding_seconds += std::chrono::duration<double>(Clock::now() - start).count();
    ++decodes;
    return answer.text;
  };
  std::vector<Row> rows;
  if (!options.json) {
    options.print(std::to_string(events.size()) + " events of " + std::to_string(labels.size()) +
                  " labels in " + std::to_string(static_cast<int>(options.script.seconds)) +
                  " s; policy, asked Hz, decodes, score, CIDEr, boundary F1, delay s, how many "
                  "times as many decodes the uniform policy needs for that score");
  }
  for (const char* policy : kPolicies) {
    for (const double rate : kRates) {
      const Row& row = rows.emplace_back(run(policy, rate, stream, events, decode));
      std::optional<double> ratio = uniform_decodes(rows, row.score);
      if (ratio) *ratio /= static_cast<double>(std::max<size_t>(1, row.decodes));
      if (options.json) {
        ordered_json json{{"policy", row.policy},        {"rate", row.rate},
                          {"score", rounded(row.score)}, {"decodes", row.decodes},
                          {"cider", rounded(row.cider)}, {"boundary_f1", rounded(row.f1)},
                          {"delay", rounded(row.delay)}};
        json["ratio"] = ratio ? ordered_json(rounded(*ratio)) : ordered_json(nullptr);
        options.print(json.dump());
      } else {
        char line[128];
        std::snprintf(line, sizeof line, "%-9s %5.2f %6zu  %.3f  %6.3f  %.3f  %6.2f  ", policy,
                      rate, row.decodes, row.score, row.cider, row.f1, row.delay);
        char times[32] = "never";
        if (ratio) std::snprintf(times, sizeof times, "%.2f", *ratio);
        options.print(std::string(line) + times);
      }
    }
  }

  for (const double rate : {1.0, 2.0}) {
    const auto uniform = std::find_if(rows.begin(), rows.end(), [&](const Row& row) {
      return row.policy == "uniform" && row.rate == rate;
    });
    ordered_json json{{"equal_score", rounded(uniform->score)},
                      {"uniform_rate", rate},
                      {"uniform_decodes", uniform->decodes}};
    for (const char* policy : {"ward", "cusum", "variance"}) {
      const Row* best = cheapest(rows, policy, uniform->score);
      if (best == nullptr) {
        json[std::string(policy) + "_ratio"] = nullptr;
        continue;
      }
      json[std::string(policy) + "_decodes"] = best->decodes;
      json[std::string(policy) + "_ratio"] =
          rounded(static_cast<double>(uniform->decodes) / static_cast<double>(best->decodes));
    }
    json["majority"] = rounded(majority(events));
    options.print(options.json ? json.dump() : "at equal score: " + json.dump());
  }
  // What sparing the tower costs in score, at the rate of about one decode a second.
  constexpr double kRate = 1;
  const auto all = std::find_if(rows.begin(), rows.end(), [](const Row& row) {
    return row.policy == "cusum" && row.rate == kRate;
  });
  const Row less = run("cusum", kRate, spared, events, decode);
  const auto frames = static_cast<double>(std::max<size_t>(1, generator.frames()));
  const ordered_json unchanged{{"unchanged", rounded(1 - static_cast<double>(encoded) / frames)},
                               {"levels", options.levels},
                               {"gate", "cusum"},
                               {"rate", kRate},
                               {"score", rounded(less.score)},
                               {"score_all_encoded", rounded(all->score)},
                               {"boundary_f1", rounded(less.f1)},
                               {"boundary_f1_all_encoded", rounded(all->f1)},
                               {"decodes", less.decodes}};
  options.print(options.json ? unchanged.dump() : "unchanged frames: " + unchanged.dump());
  const ordered_json cost{
      {"ms_per_embedding", rounded(1e3 * embedding_seconds / frames)},
      {"ms_per_comparison", rounded(1e3 * comparing_seconds / frames)},
      {"ms_per_decode",
       rounded(1e3 * decoding_seconds / static_cast<double>(std::max<size_t>(1, decodes)))},
      // A decode compares one embedding with every label: a product and a sum for each number.
      {"flops_per_decode", 2 * labels.size() * model.dim()}};
  options.print(options.json ? cost.dump() : "cost: " + cost.dump());
  if (!options.plot.empty()) write_plot(options.plot, rows, options.script.seconds);
  return 0;
}

}  // namespace sterna::cli
