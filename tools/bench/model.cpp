#include "bench/model.h"

#include <models/bind.h>
#include <sterna/models/mapped_file.h>
#include <sterna/models/model.h>
#include <sterna/nn/executor.h>
#include <sterna/vision/decode.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "cli/cost.h"

namespace sterna::cli {

namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

struct Timing {
  double best = 0, median = 0;  // ms
};

template <class F>
Timing measure(int rounds, F&& f) {
  f();  // warm-up: scratch memory, pages of the model file
  std::vector<double> ms;
  for (int i = 0; i < rounds; ++i) {
    const auto start = Clock::now();
    f();
    ms.push_back(since(start));
  }
  std::sort(ms.begin(), ms.end());
  return {ms.front(), ms[ms.size() / 2]};
}

class Report {
 public:
  explicit Report(const BenchModelOptions& options) : options_(options) {
    if (!options_.json) options_.print("stage             best ms   median ms   (one thread)");
  }
  void stage(const char* name, Timing t) const {
    if (options_.json) {
      options_.print(nlohmann::json{
          {"stage", name},
          {"ms", t.best},
          {"median_ms", t.median},
          {"isa", quant::name(options_.isa)},
          {"threads", 1}}.dump());
      return;
    }
    char line[96];
    std::snprintf(line, sizeof line, "%-16s %8.2f  %10.2f", name, t.best, t.median);
    options_.print(line);
  }
  void throughput(double rate, int threads) const {
    if (options_.json) {
      options_.print(nlohmann::json{
          {"stage", "decode + embed"},
          {"images_per_second", rate},
          {"isa", quant::name(options_.isa)},
          {"threads",
           threads}}.dump());
      return;
    }
    char line[96];
    std::snprintf(line, sizeof line, "decode + embed: %.1f images/s, %d threads", rate, threads);
    options_.print(line);
  }

  /// What an answer costs beside time, as far as this machine tells.
  void cost(Cost cost, int answers, uint64_t weights) const {
    const double n = answers;
    const auto each = [&](auto value) { return static_cast<double>(value) / n; };
    if (options_.json) {
      nlohmann::json line = {{"stage", "cost of an answer"},
                             {"cpu_seconds", each(cost.cpu_seconds)},
                             {"weight_bytes", weights},
                             {"joules", nullptr},
                             {"instructions", nullptr}};
      if (cost.joules) line["joules"] = each(*cost.joules);
      if (cost.instructions) line["instructions"] = each(*cost.instructions);
      return options_.print(line.dump());
    }
    char line[160];
    std::snprintf(line, sizeof line, "cost of an answer: %.1f ms of processor, %.1f MB of weights",
                  1e3 * each(cost.cpu_seconds), 1e-6 * static_cast<double>(weights));
    std::string text = line;
    std::snprintf(line, sizeof line, ", %.3f J", cost.joules ? each(*cost.joules) : 0);
    text += cost.joules ? line : ", no energy counter here";
    std::snprintf(line, sizeof line, ", %.0f M instructions",
                  cost.instructions ? 1e-6 * each(*cost.instructions) : 0);
    text += cost.instructions ? line : ", no instruction counter here";
    options_.print(text);
  }

 private:
  const BenchModelOptions& options_;
};

/// Bytes of the file `path` that this process has touched, by the kernel's account of its mappings.
uint64_t touched_bytes(const std::filesystem::path& path) {
  const std::string name = std::filesystem::absolute(path).lexically_normal().string();
  std::ifstream maps("/proc/self/smaps");
  uint64_t bytes = 0;
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long long kilobytes = 0;
    if (line.find('-') < line.find(' ')) {  // 7f00-7f10 r--p 0 00:00 0   /path
      inside = line.ends_with(" " + name);
    } else if (inside && std::sscanf(line.c_str(), "Rss: %llu kB", &kilobytes) == 1) {
      bytes += kilobytes << 10;
    }
  }
  return bytes;
}

/// The tower's parts, bound apart from a Model, which does not show them.
void tower_stages(const BenchModelOptions& o, const vision::Image& picture, const Report& report) {
  const models::Gguf file = models::Gguf::open(o.model);
  const vision::Preprocess pre = models::bind_preprocess(file);
  const size_t dim = file.integer("sterna.language.width");
  const vision::HybridTower tower = models::bind_tower(file, pre, dim, o.isa);
  const nn::Executor executor(1);
  nn::Workspace workspace;

  const size_t pixels = pre.size * pre.size;
  std::vector<uint8_t> rgb(pixels * 3);
  report.stage("resize", measure(o.rounds, [&] {
                 vision::fit_pixels(picture.view(), pre, rgb, workspace, &executor, o.isa);
               }));
  std::vector<float> x(pixels * 3);
  vision::normalise(rgb, pre, vision::Layout::hwc, x);
  const vision::EfficientNet& stem = tower.stem();
  const size_t low_side = pre.size / stem.low_stride(), places = pre.size / stem.head_stride();
  std::vector<float> low(low_side * low_side * stem.low_width());
  std::vector<float> head(places * places * stem.config().head_width);
  report.stage("stem", measure(o.rounds, [&] {
                 stem.forward({x.data(), pixels, 3}, pre.size, pre.size,
                              {low.data(), low_side * low_side, stem.low_width()},
                              {head.data(), places * places, stem.config().head_width}, executor,
                              workspace);
               }));
  std::vector<float> features(tower.tokens() * tower.feature_width());
  report.stage("stem + features", measure(o.rounds, [&] {
                 tower.features(rgb, {features.data(), tower.tokens(), tower.feature_width()},
                                executor, workspace);
               }));
  std::vector<float> vision(tower.tokens() * tower.width()), meaning(tower.tokens() * dim);
  report.stage("whole tower", measure(o.rounds, [&] {
                 tower.forward(rgb, {vision.data(), tower.tokens(), tower.width()},
                               {meaning.data(), tower.tokens(), dim}, executor, workspace);
               }));
  if (!tower.looks_closer()) return;
  const vision::Preprocess larger = vision::enlarged(pre, tower.detail());
  std::vector<uint8_t> closer(larger.size * larger.size * 3);
  std::vector<float> fine(meaning.size());
  report.stage("look closer", measure(o.rounds, [&] {
                 vision::fit_pixels(picture.view(), larger, closer, workspace, &executor, o.isa);
                 tower.look_closer(closer, {meaning.data(), tower.tokens(), dim},
                                   {fine.data(), tower.tokens(), dim}, executor, workspace);
               }));
}

/// One worker a thread, each decoding and embedding for itself.
double throughput(const BenchModelOptions& o, const Model& model, int threads) {
  const models::MappedFile bytes(o.picture);
  std::atomic<size_t> done{0};
  std::atomic<bool> stop{false};
  std::atomic<int> ready{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i) {
    workers.emplace_back([&] {
      Session session(1);
      Scene scene;
      std::vector<float> out(model.dim());
      bool warm = false;
      while (!stop.load(std::memory_order_relaxed)) {
        const vision::Image picture = vision::decode(bytes.bytes());
        model.see(picture.view(), scene, session);
        model.embed(scene, out, session);
        if (!warm) {
          warm = true;
          ready.fetch_add(1);
        } else {
          done.fetch_add(1, std::memory_order_relaxed);
        }
      }
    });
  }
  while (ready.load() < threads) std::this_thread::yield();
  const size_t before = done.load();
  const auto start = Clock::now();
  std::this_thread::sleep_for(std::chrono::duration<double>(o.seconds));
  const double images = static_cast<double>(done.load() - before);
  const double seconds = since(start) / 1000;
  stop = true;
  for (auto& w : workers) w.join();
  return images / seconds;
}

/// Captions written by a language model in the generator's place.
void writer_stages(const BenchModelOptions& o, const Scene& scene, const Report& report) {
  const Model::Options options{.isa = o.isa, .writer = o.writer};
  report.stage("open model with writer",
               measure(std::min(o.rounds, 5), [&] { Model::open(o.model, options); }));
  const Model model = Model::open(o.model, options);
  Session session(1);
  Answer answer;
  report.stage("caption by writer",
               measure(o.rounds, [&] { model.caption(scene, 1, answer, session); }));
}

}  // namespace

int bench_model(const BenchModelOptions& o) {
  const Report report(o);
  const Model::Options model_options{.isa = o.isa};
  const vision::Image picture = vision::decode_file(o.picture);
  report.stage("open model", measure(o.rounds, [&] { Model::open(o.model, model_options); }));
  report.stage("decode picture", measure(o.rounds, [&] { vision::decode_file(o.picture); }));
  tower_stages(o, picture, report);

  const Model model = Model::open(o.model, model_options);
  CostMeter meter;  // before any thread it is to count
  Session session(1);
  Scene scene = model.see(picture.view(), session, Sight::fine);
  std::vector<float> out(model.dim());
  report.stage("encode question",
               measure(o.rounds, [&] { model.embed(o.question, out, session); }));
  report.stage("predict",
               measure(o.rounds, [&] { model.predict(scene, o.question, out, session); }));
  Answer answer;
  report.stage("predict + answer", measure(o.rounds, [&] {
                 model.answer(scene, o.question, nullptr, 5, answer, session);
               }));
  if (model.generates()) {
    report.stage("caption", measure(o.rounds, [&] { model.caption(scene, 1, answer, session); }));
  }
  if (!o.writer.empty()) writer_stages(o, scene, report);
  const auto whole = [&] {
    const vision::Image again = vision::decode_file(o.picture);
    session.question.model = 0;  // as asked for the first time
    model.see(again.view(), scene, session, Sight::fine);
    model.answer(scene, o.question, nullptr, 5, answer, session);
  };
  report.stage("whole answer", measure(o.rounds, whole));
  const Cost before = meter.read();
  for (int i = 0; i < o.rounds; ++i) whole();
  report.cost(meter.read() - before, o.rounds, touched_bytes(o.model));
  const int threads = o.threads > 0 ? o.threads : nn::Executor(0).threads();
  report.throughput(throughput(o, model, threads), threads);
  return 0;
}

}  // namespace sterna::cli
