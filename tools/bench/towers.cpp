#include "bench/towers.h"

#include <sterna/models/model.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string_view>
#include <vector>

#include "bench/kernel_case.h"
#include "bench/limits.h"
#include "models/towers.h"

namespace sterna::cli {
namespace {

constexpr size_t kTokens = 128;

template <class T>
std::vector<T> read(const std::string& path, size_t count) {
  std::vector<T> values(count);
  std::ifstream file(path, std::ios::binary);
  const auto bytes = static_cast<std::streamsize>(count * sizeof(T));
  if (!file.read(reinterpret_cast<char*>(values.data()), bytes))
    throw Error(path + ": expected " + std::to_string(bytes) + " bytes");
  return values;
}

/// A tower and a batch for it, to be run again and again. `states`: the last hidden states.
class Batch {
 public:
  virtual ~Batch() = default;
  virtual void run(Session& session) = 0;
  virtual double attention_flops() const = 0;  // of all blocks, had each sight of everything

  std::vector<float> states;
};

class Pictures : public Batch {
 public:
  Pictures(const vision::Vit& vit, std::vector<float> pixels, size_t batch, size_t side)
      : vit_(&vit), pixels_(std::move(pixels)), clips_{pixels_.data(), 1, side, side, batch} {}

  void run(Session& session) override {
    const size_t rows = clips_.count * vit_->tokens(clips_);
    states.resize(rows * vit_->width());
    vit_->forward(clips_, {states.data(), rows, vit_->width()}, session.executor,
                  session.workspace);
  }
  double attention_flops() const override {
    const auto t = static_cast<double>(vit_->tokens(clips_));
    return 4 * t * t *
           static_cast<double>(vit_->width() * vit_->blocks() * clips_.count);
  }

 private:
  const vision::Vit* vit_;
  std::vector<float> pixels_;
  vision::Clip clips_;
};

class Texts : public Batch {
 public:
  Texts(const language::TextTower& tower, std::vector<uint32_t> ids, size_t batch, size_t length)
      : tower_(&tower), ids_(std::move(ids)), length_(static_cast<double>(length)) {
    for (size_t i = 0; i <= batch; ++i) starts_.push_back(static_cast<uint32_t>(i * length));
    for (size_t i = 0; i < ids_.size(); ++i) places_.push_back(static_cast<uint32_t>(i % length));
  }

  void run(Session& session) override {
    states.resize(ids_.size() * tower_->width());
    tower_->forward(ids_, {starts_, places_, {}}, {states.data(), ids_.size(), tower_->width()},
                    session.executor, session.workspace);
  }
  double attention_flops() const override {
    return 4 * length_ * static_cast<double>(ids_.size() * tower_->width() * tower_->blocks());
  }

 private:
  const language::TextTower* tower_;
  std::vector<uint32_t> ids_, starts_, places_;
  double length_;
};

/// Products of the linear maps: 2 m k for each row that goes in.
struct MapFlops : nn::MapObserver {
  double sum = 0;
  void see(const quant::Linear& linear, nn::Mat<const float> x) override {
    sum += 2 * static_cast<double>(linear.m()) * static_cast<double>(linear.k()) *
           static_cast<double>(x.rows);
  }
};

double flops_of(Batch& batch) {
  Session session(1);
  MapFlops maps;
  session.workspace.observe(&maps);
  batch.run(session);
  session.workspace.observe(nullptr);
  return maps.sum + batch.attention_flops();
}

double seconds_of(Batch& batch, Session& session) {
  const auto start = std::chrono::steady_clock::now();
  batch.run(session);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

/// One tower with its blocks in one type.
struct Row {
  const char* tower;
  quant::Type type;
  const char* limit;
  std::unique_ptr<Batch> batch;
  double flops = 0;
  std::vector<double> seconds = {};
};

std::vector<Row> rows_of(const models::FolderModel& model, quant::Type type,
                         const BenchTowersOptions& o) {
  std::vector<Row> rows;
  std::mt19937 rng(1);
  const char* limit = compute_limit(type, o.isa);
  if (model.vision && model.vision->input != models::VisionPart::Input::patches) {
    const vision::Vit& vit = model.vision->vit;
    const size_t side = o.size != 0 ? o.size : std::max(vit.side(), vit.patch_size());
    std::normal_distribution<float> normal;
    std::vector<float> pixels(o.batch * 3 * side * side);
    for (float& p : pixels) p = normal(rng);
    rows.push_back({"pictures", type, limit,
                    std::make_unique<Pictures>(vit, std::move(pixels), o.batch, side)});
  }
  if (model.text) {
    const language::TextTower& tower = model.text->tower;
    const size_t most = tower.longest(), wanted = o.size != 0 ? o.size : kTokens;
    const size_t length = most == 0 ? wanted : std::min(wanted, most);
    std::uniform_int_distribution<uint32_t> any(0, static_cast<uint32_t>(tower.vocabulary() - 1));
    std::vector<uint32_t> ids(o.batch * length);
    for (uint32_t& id : ids) id = any(rng);
    rows.push_back(
        {"texts", type, limit, std::make_unique<Texts>(tower, std::move(ids), o.batch, length)});
  }
  for (Row& row : rows) row.flops = flops_of(*row.batch);
  return rows;
}

void report(const Row& row, double limit, const BenchTowersOptions& o, int threads) {
  const double seconds = median(row.seconds), gops = 1e-9 * row.flops / seconds;
  const double share = limit > 0 ? gops / limit : 0;
  const std::string type(quant::name(row.type));
  if (o.json) {
    o.print(nlohmann::ordered_json{{"tower", row.tower},
                                   {"blocks", type},
                                   {"batch", o.batch},
                                   {"threads", threads},
                                   {"ms", 1e3 * seconds},
                                   {"gflop", 1e-9 * row.flops},
                                   {"gops", gops},
                                   {"limit", row.limit},
                                   {"share", share}}
                .dump());
    return;
  }
  char line[160];
  std::snprintf(line, sizeof line, "%-9s %-5s %9.2f ms %9.2f GFLOP %8.0f GOPS  %5.1f %% of %s",
                row.tower, type.c_str(), 1e3 * seconds, 1e-9 * row.flops, gops, 100 * share,
                row.limit);
  o.print(line);
}

}  // namespace

int bench_towers(const BenchTowersOptions& o) {
  std::vector<models::FolderModel> models;  // rows view them
  std::vector<Row> rows;
  models.reserve(3);
  for (const quant::Type type : {quant::Type::f32, quant::Type::bf16, quant::Type::i8}) {
    models.push_back(models::open_folder(o.folder, o.isa, type));
    for (Row& row : rows_of(models.back(), type, o)) rows.push_back(std::move(row));
  }
  if (rows.empty())
    throw Error(o.folder.string() + ": expected a tower of pictures of one size, or of texts");
  nn::Workspace pages;
  const std::span memory(bench_weights(pages), kBenchMemory);
  Session session(o.threads);
  std::vector<std::pair<Limit, double>> limits;
  for (const Limit& limit : machine_limits()) limits.emplace_back(limit, 0);
  for (int round = 0; round <= o.rounds; ++round) {
    for (auto& [limit, best] : limits)
      best = std::max(best, limit.measure(session.executor, memory));
    for (Row& row : rows) {
      const double seconds = seconds_of(*row.batch, session);
      if (round > 0) row.seconds.push_back(seconds);
    }
  }
  for (const Row& row : rows) {
    double value = 0;
    for (const auto& [limit, best] : limits)
      if (limit.name == std::string_view(row.limit)) value = best;
    report(row, value, o, session.executor.threads());
  }
  return 0;
}

int bench_tower_turns(const std::filesystem::path& folder, const std::string& type, size_t batch,
                      size_t size, const std::string& input, int threads, quant::Isa isa) {
  const models::FolderModel model = models::open_folder(folder, isa, quant::parse_type(type));
  Session session(threads);
  std::unique_ptr<Batch> run;
  if (model.vision) {
    run = std::make_unique<Pictures>(model.vision->vit, read<float>(input, batch * 3 * size * size),
                                     batch, size);
  } else {
    run = std::make_unique<Texts>(model.text->tower, read<uint32_t>(input, batch * size), batch,
                                  size);
  }
  for (std::string line; std::getline(std::cin, line);) {
    const double seconds = seconds_of(*run, session);
    if (line.starts_with("save ")) {
      std::ofstream out(line.substr(5), std::ios::binary);
      out.write(reinterpret_cast<const char*>(run->states.data()),
                static_cast<std::streamsize>(run->states.size() * sizeof(float)));
    }
    std::printf("%.6f\n", seconds);
    std::fflush(stdout);
  }
  return 0;
}

int bench_kernel_turns(const std::string& type, size_t m, size_t k, size_t n, size_t span,
                       int threads, quant::Isa isa) {
  nn::Workspace pages;
  KernelCase map(bench_weights(pages), quant::parse_type(type), isa, m, k, n,
                 std::min(span, kBenchMemory));
  const nn::Executor executor(threads);
  for (std::string line; std::getline(std::cin, line);) {
    map.measure(executor);  // threads that slept wake up
    std::printf("%.9f\n", 1 / map.measure(executor));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace sterna::cli
