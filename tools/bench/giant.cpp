#include "bench/giant.h"

#include <stdlib.h>
#include <sterna/models/gguf.h>
#include <sterna/models/weights.h>
#include <sterna/nn/executor.h>
#include <sterna/nn/ternary_block.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <span>
#include <vector>

#include "bench/limits.h"
#include "cli/error.h"
#include "cli/interrupt.h"
#include "models/bind.h"

namespace sterna::cli {

namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// A folder of the caller's that stays, or one of its own that goes.
class Folder {
 public:
  explicit Folder(const std::filesystem::path& keep) : path_(keep), temporary_(keep.empty()) {
    if (!temporary_) {
      std::error_code failed;
      std::filesystem::create_directories(path_, failed);
      if (failed) throw Error(path_.string() + ": cannot make the folder: " + failed.message());
      return;
    }
    std::string name = (std::filesystem::temp_directory_path() / "sterna-giant-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw Error(name + ": cannot make the folder");
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code none;
    if (temporary_) std::filesystem::remove_all(path_, none);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  bool temporary_;
};

// Memory of this process as the kernel counts it, in bytes: resident now, the most there was, and
// what of the present is no part of a file.
struct Resident {
  uint64_t now = 0, peak = 0, anonymous = 0;
};

Resident resident() {
  Resident r;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string key = line.substr(0, colon);
    uint64_t* value = key == "VmRSS"     ? &r.now
                      : key == "VmHWM"   ? &r.peak
                      : key == "RssAnon" ? &r.anonymous
                                         : nullptr;
    if (value != nullptr) *value = std::strtoull(line.c_str() + colon + 1, nullptr, 10) * 1024;
  }
  return r;
}

struct Measured {
  double open = 0, first = 0, pass = 0, read = 0;  // seconds, and GB/s
  size_t passes = 0;
  uint64_t file = 0, bytes = 0;  // of the file, and read by one pass
  Resident memory;
};

double dram_read(const nn::Executor& executor, std::span<const std::byte> memory) {
  for (const Limit& limit : machine_limits())
    if (std::string_view(limit.name) == "dram_read") return limit.measure(executor, memory);
  return 0;
}

// Opens the file and runs it until time is up or `stop` says so.
Measured measure(const std::filesystem::path& path, const GiantShape& s,
                 const BenchGiantOptions& options, const nn::Executor& executor,
                 const std::function<bool()>& stop) {
  Measured r;
  const double start = now();
  const models::Gguf file = models::Gguf::open(path);
  const auto blocks = models::bind_blocks(models::Weights(file).in("predictor"), s.blocks, s.width,
                                          s.mlp, s.heads, options.isa);
  r.open = now() - start;
  r.file = file.file_bytes();
  std::span<const std::byte> whole;  // from the first tensor's data to the last's
  for (const models::GgufTensor& t : file.tensors()) {
    r.bytes += t.data.size();
    whole = whole.empty() ? t.data : std::span(whole.data(), t.data.data() + t.data.size());
  }

  nn::Workspace workspace;
  std::mt19937 rng(3);
  std::normal_distribution<float> normal;
  std::vector<float> token(s.width), x(s.width);
  for (float& v : token) v = normal(rng);
  const std::vector<uint32_t> starts{0, 1};
  const auto pass = [&] {
    x = token;
    const double begun = bench_seconds(executor.threads());
    for (const nn::TernaryBlock& block : blocks) {
      if (stop()) break;
      block.forward({x.data(), 1, s.width}, starts, executor, workspace, options.isa);
    }
    return bench_seconds(executor.threads()) - begun;
  };
  const double mapped = now();
  pass();
  r.first = now() - mapped;
  r.pass = 1e30;
  for (const double until = now() + options.seconds; !stop() && (r.passes < 3 || now() < until);) {
    r.read = std::max(r.read, dram_read(executor, whole));
    r.pass = std::min(r.pass, pass());
    ++r.passes;
  }
  r.memory = resident();
  return r;
}

void report(const BenchGiantOptions& options, const GiantShape& s, const Measured& r, int threads,
            double write_seconds, const std::filesystem::path& path) {
  const double gbps = static_cast<double>(r.bytes) / r.pass * 1e-9;
  const double share = r.read > 0 ? gbps / r.read : 0;
  if (options.json) {
    nlohmann::ordered_json line{{"bench", "giant"},
                                {"format", quant::name(options.format)},
                                {"isa", quant::name(options.isa)},
                                {"threads", threads},
                                {"weights", s.weights()},
                                {"width", s.width},
                                {"blocks", s.blocks},
                                {"file_bytes", r.file},
                                {"write_seconds", write_seconds},
                                {"open_ms", r.open * 1e3},
                                {"first_pass_seconds", r.first},
                                {"passes", r.passes},
                                {"passes_per_second", 1 / r.pass},
                                {"bytes_per_pass", r.bytes},
                                {"gbps", gbps},
                                {"dram_read_gbps", r.read},
                                {"share", share},
                                {"rss_bytes", r.memory.now},
                                {"rss_anonymous_bytes", r.memory.anonymous},
                                {"rss_peak_bytes", r.memory.peak}};
    if (!options.keep.empty()) line["file"] = path.string();
    // A path may be no UTF-8.
    options.print(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  const auto mega = [](uint64_t bytes) { return static_cast<double>(bytes) * 1e-6; };
  const auto print = [&](const char* form, auto... values) {
    char text[160];
    std::snprintf(text, sizeof text, form, values...);
    options.print(text);
  };
  print("%.4g weights as %s: %zu blocks of width %zu, file of %.1f MB",
        static_cast<double>(s.weights()), std::string(quant::name(options.format)).c_str(),
        s.blocks, s.width, mega(r.file));
  print("open %.2f ms, first pass %.3f s, then %.2f passes/s (%d threads, %s)", r.open * 1e3,
        r.first, 1 / r.pass, threads, std::string(quant::name(options.isa)).c_str());
  print("read %.1f GB/s, %.1f %% of the %.1f GB/s that plain reading of the file's map reaches",
        gbps, share * 100, r.read);
  print("resident %.1f MB, of them %.1f MB not the file's; at most %.1f MB", mega(r.memory.now),
        mega(r.memory.anonymous), mega(r.memory.peak));
}

}  // namespace

int bench_giant(const BenchGiantOptions& options) {
  const GiantShape shape = giant_shape(options.params);
  const Folder folder(options.keep);
  const InterruptGuard interrupt;
  const auto stop = [&] { return interrupt.requested() != 0; };
  const double start = now();
  const std::filesystem::path path = write_giant(shape, options.format, folder.path(), stop);
  if (path.empty()) return interrupt.requested();
  const double write_seconds = now() - start;
  const nn::Executor executor(options.threads);
  const Measured measured = measure(path, shape, options, executor, stop);
  if (stop()) return interrupt.requested();
  report(options, shape, measured, executor.threads(), write_seconds, path);
  return kDone;
}

}  // namespace sterna::cli
