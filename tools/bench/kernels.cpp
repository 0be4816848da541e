#include "bench/kernels.h"

#include <sterna/nn/executor.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/half.h>
#include <sterna/quant/linear.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string_view>
#include <vector>

#include "bench/limits.h"

namespace sterna::cli {

namespace {

using quant::Isa;
using quant::Linear;
using quant::Type;

constexpr size_t kMemory = size_t{256} << 20;  // beyond any last-level cache this runs on
constexpr double kSlice = 0.008;               // seconds a measurement lasts at least

// Bytes that are fair weights of every type: read as bfloat16 or float each is a number of ordinary
// size, and the speed of integer kernels does not depend on the values.
std::byte* make_memory(nn::Workspace& memory) {
  std::byte* p = memory.bytes(kMemory);
  std::mt19937_64 rng(1);
  for (size_t i = 0; i < kMemory; i += 8) {
    uint64_t v = rng();
    v = (v & 0x83ff83ff83ff83ffull) | 0x3c003c003c003c00ull;
    std::memcpy(p + i, &v, 8);
  }
  return p;
}

// One line of the report: a linear map of one shape, over as many copies of its weights as fit
// `span_bytes`, so that they come from memory or stay in cache.
class Case {
 public:
  Case(const std::byte* memory, Type type, Isa isa, size_t m, size_t k, size_t n, size_t span_bytes,
       const char* limit)
      : type_(type),
        isa_(isa),
        m_(m),
        k_(k),
        n_(n),
        limit_(limit),
        scale_(m, quant::f32_to_f16(1)) {
    const size_t bytes = quant::weight_bytes(type, m, k);
    const size_t copies = std::max<size_t>(1, span_bytes / bytes);
    for (size_t i = 0; i < copies; ++i) {
      quant::WeightView w{type, m, k, {memory + i * bytes, bytes}, {}, 0};
      if (quant::is_integer(type)) w.scale = scale_;
      maps_.emplace_back(w, std::span<const float>{}, isa);
    }
    std::mt19937 rng(2);
    std::normal_distribution<float> normal;
    x_.resize(n * k);
    for (auto& v : x_) v = normal(rng);
    y_.resize(n * m);
    scratch_ = workspace_.bytes(maps_[0].scratch_bytes(n));
  }

  // One slice of time; keeps the best rate, in maps a second.
  void measure(const nn::Executor& executor) {
    size_t done = 0;
    const double start = bench_seconds(executor.threads());
    double seconds = 0;
    do {
      run(executor, maps_[next_++ % maps_.size()]);
      ++done;
      seconds = bench_seconds(executor.threads()) - start;
    } while (seconds < kSlice);
    best_ = std::max(best_, static_cast<double>(done) / seconds);
  }

  double gops() const {
    return 2e-9 * static_cast<double>(m_) * static_cast<double>(k_) * static_cast<double>(n_) *
           best_;
  }
  double gbps() const {
    return 1e-9 * static_cast<double>(quant::weight_bytes(type_, m_, k_)) * best_;
  }
  std::string_view limit() const { return limit_; }
  double reached() const { return limit().ends_with("_read") ? gbps() : gops(); }

  void report(const BenchOptions& options, int threads, double limit_value) const {
    const double share = limit_value > 0 ? reached() / limit_value : 0;
    const char* kernel = n_ < 8 ? "gemv" : "gemm";
    if (options.json) {
      options.print(nlohmann::ordered_json{
          {"kernel", kernel},
          {"format", quant::name(type_)},
          {"isa", quant::name(isa_)},
          {"m", m_},
          {"k", k_},
          {"n", n_},
          {"threads", threads},
          {"gops", gops()},
          {"gbps", gbps()},
          {"limit", limit_},
          {"share",
           share}}.dump());
      return;
    }
    char line[160];
    std::snprintf(line, sizeof line,
                  "%-4s %-4s %-7s %5zu x %-5zu n=%-4zu %7.0f %8.1f  %5.1f %% of %s", kernel,
                  std::string(quant::name(type_)).c_str(), std::string(quant::name(isa_)).c_str(),
                  m_, k_, n_, gops(), gbps(), share * 100, limit_);
    options.print(line);
  }

 private:
  void run(const nn::Executor& executor, const Linear& map) {
    if (n_ < 8) {
      map.prepare(x_.data(), k_, n_, scratch_);
    } else {
      executor.for_ranges(n_, map.token_tile(n_), [&](size_t begin, size_t end) {
        map.prepare(x_.data(), k_, n_, scratch_, begin, end);
      });
    }
    executor.for_ranges(m_, map.row_tile(), [&](size_t begin, size_t end) {
      map.run(scratch_, n_, begin, end, y_.data(), m_);
    });
  }

  Type type_;
  Isa isa_;
  size_t m_, k_, n_;
  const char* limit_;
  std::vector<uint16_t> scale_;
  std::vector<Linear> maps_;
  std::vector<float> x_, y_;
  nn::Workspace workspace_;
  std::byte* scratch_ = nullptr;
  size_t next_ = 0;
  double best_ = 0;
};

// The limit that binds a GEMM of this type and ISA.
const char* compute_limit(Type type, Isa isa) {
  if (!quant::is_integer(type)) {
    if (type != Type::bf16 || vector_isa(isa) != Isa::avx512) return "f32";
    return isa == Isa::amx ? "amx_bf16" : "bf16";
  }
  return isa == Isa::amx       ? "amx"
         : isa == Isa::avx512  ? "vnni"
         : isa == Isa::avxvnni ? "vnni256"
                               : "maddubs";
}

std::vector<std::unique_ptr<Case>> make_cases(const std::byte* memory, Isa isa,
                                              const std::vector<Type>& types) {
  constexpr size_t kL2 = size_t{512} << 10;
  std::vector<std::unique_ptr<Case>> cases;
  for (Type type : types) {
    const auto add = [&](size_t m, size_t k, size_t n, size_t span, const char* limit) {
      cases.push_back(std::make_unique<Case>(memory, type, isa, m, k, n, span, limit));
    };
    add(4096, 4096, 1, kMemory, "dram_read");
    size_t m = 16;  // the tallest that lies in half a megabyte
    while (quant::weight_bytes(type, 2 * m, 1024) <= kL2) m *= 2;
    add(m, 1024, 1, 0, "l2_read");
    for (const size_t n : std::initializer_list<size_t>{8, 64, 512})
      add(4096, 4096, n, 0, compute_limit(type, isa));
  }
  return cases;
}

struct Measured {
  Limit limit;
  double value = 0;
};

void bench_threads(const BenchOptions& options, int threads, const std::vector<Isa>& isas,
                   const std::byte* weights, std::span<const std::byte> memory) {
  const nn::Executor executor(threads);
  std::vector<Measured> limits;
  for (const Limit& l : machine_limits()) limits.push_back({l});
  std::vector<std::unique_ptr<Case>> cases;
  for (Isa isa : isas)
    for (auto& c : make_cases(weights, isa, options.types)) cases.push_back(std::move(c));
  for (int round = 0; round < options.rounds; ++round) {
    for (size_t i = 0; i < cases.size(); ++i) {
      // The limits come up again and again between the kernels: both see the same weather.
      if (i % 5 == 0)
        for (auto& l : limits) l.value = std::max(l.value, l.limit.measure(executor, memory));
      cases[i]->measure(executor);
    }
  }
  for (const auto& l : limits) {
    if (options.json) {
      options.print(
          nlohmann::ordered_json{{"limit", l.limit.name}, {"threads", threads}, {"value", l.value}}
              .dump());
    } else {
      char line[80];
      std::snprintf(line, sizeof line, "limit %-10s %d thread%s %8.1f %s", l.limit.name, threads,
                    threads == 1 ? " " : "s", l.value,
                    std::string_view(l.limit.name).ends_with("_read") ? "GB/s" : "GOPS");
      options.print(line);
    }
  }
  if (!options.json) options.print("kernel, type, ISA, shape              GOPS     GB/s  share");
  for (const auto& c : cases) {
    double value = 0;
    for (const auto& l : limits)
      if (c->limit() == l.limit.name) value = l.value;
    c->report(options, threads, value);
  }
}

}  // namespace

int bench_kernels(const BenchOptions& options) {
  std::vector<Isa> isas;
  if (options.isa) {
    isas.push_back(*options.isa);
  } else {
    for (Isa isa : {Isa::amx, Isa::avx512, Isa::avxvnni, Isa::avx2, Isa::neon})
      if (quant::has_isa(isa)) isas.push_back(isa);
    if (isas.empty()) isas.push_back(Isa::scalar);
  }
  // Memory of their own for the limits: reading it also clears the caches of weights.
  nn::Workspace pages;  // huge ones, where the system grants them
  const std::byte* weights = make_memory(pages);
  const std::byte* memory = make_memory(pages);
  std::vector<int> counts;
  const int all = nn::Executor(0).threads();
  if (options.threads > 0) {
    counts = {options.threads};
  } else {
    counts = all > 1 ? std::vector<int>{1, all} : std::vector<int>{1};
  }
  for (int threads : counts)
    bench_threads(options, threads, isas, weights, {memory, kMemory});
  return 0;
}

}  // namespace sterna::cli
