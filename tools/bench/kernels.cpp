#include "bench/kernels.h"

#include <sterna/nn/executor.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/formats.h>

#include <algorithm>
#include <cstdio>
#include <initializer_list>
#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "bench/kernel_case.h"
#include "bench/limits.h"

namespace sterna::cli {

namespace {

using quant::Isa;
using quant::Type;

/// A line of the report: a map, the limit that binds it, and its best rate.
struct Case {
  KernelCase map;
  const char* limit;
  double best = 0;  // maps a second

  void measure(const nn::Executor& executor) { best = std::max(best, map.measure(executor)); }
  double reached() const {
    return std::string_view(limit).ends_with("_read") ? map.gbps(best) : map.gops(best);
  }

  void report(const BenchOptions& options, int threads, double limit_value) const {
    const double share = limit_value > 0 ? reached() / limit_value : 0;
    const char* kernel = map.n() < 8 ? "gemv" : "gemm";
    if (options.json) {
      options.print(nlohmann::ordered_json{
          {"kernel", kernel},
          {"format", quant::name(map.type())},
          {"isa", quant::name(map.isa())},
          {"m", map.m()},
          {"k", map.k()},
          {"n", map.n()},
          {"threads", threads},
          {"gops", map.gops(best)},
          {"gbps", map.gbps(best)},
          {"limit", limit},
          {"share", share}}.dump());
      return;
    }
    char line[160];
    std::snprintf(line, sizeof line,
                  "%-4s %-4s %-7s %5zu x %-5zu n=%-4zu %7.0f %8.1f  %5.1f %% of %s", kernel,
                  std::string(quant::name(map.type())).c_str(),
                  std::string(quant::name(map.isa())).c_str(), map.m(), map.k(), map.n(),
                  map.gops(best), map.gbps(best), share * 100, limit);
    options.print(line);
  }
};

std::vector<std::unique_ptr<Case>> make_cases(const std::byte* memory, Isa isa,
                                              const std::vector<Type>& types) {
  constexpr size_t kL2 = size_t{512} << 10;
  std::vector<std::unique_ptr<Case>> cases;
  for (Type type : types) {
    const auto add = [&](size_t m, size_t k, size_t n, size_t span, const char* limit) {
      cases.push_back(
          std::make_unique<Case>(Case{KernelCase(memory, type, isa, m, k, n, span), limit}));
    };
    add(4096, 4096, 1, kBenchMemory, "dram_read");
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
      if (l.limit.name == std::string_view(c->limit)) value = l.value;
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
  const std::byte* weights = bench_weights(pages);
  const std::byte* memory = bench_weights(pages);
  std::vector<int> counts;
  const int all = nn::Executor(0).threads();
  if (options.threads > 0) {
    counts = {options.threads};
  } else {
    counts = all > 1 ? std::vector<int>{1, all} : std::vector<int>{1};
  }
  for (int threads : counts)
    bench_threads(options, threads, isas, weights, {memory, kBenchMemory});
  return 0;
}

}  // namespace sterna::cli
