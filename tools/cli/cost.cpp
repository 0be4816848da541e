#include "cli/cost.h"

#include <linux/perf_event.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace fs = std::filesystem;

namespace sterna::cli {
namespace {

std::optional<uint64_t> number_in(const fs::path& file) {
  std::ifstream in(file);
  uint64_t value = 0;
  if (in >> value) return value;
  return std::nullopt;
}

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

/// A counter of this process's instructions, or -1.
int open_instructions() {
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.type = PERF_TYPE_HARDWARE;
  attributes.config = PERF_COUNT_HW_INSTRUCTIONS;
  attributes.exclude_kernel = 1;
  attributes.exclude_hv = 1;
  attributes.inherit = 1;  // threads to come
  return static_cast<int>(
      syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC));
}

}  // namespace

Cost operator-(const Cost& now, const Cost& before) {
  Cost spent{now.cpu_seconds - before.cpu_seconds, {}, {}};
  if (now.joules && before.joules) spent.joules = *now.joules - *before.joules;
  if (now.instructions && before.instructions)
    spent.instructions = *now.instructions - *before.instructions;
  return spent;
}

CostMeter::CostMeter(const fs::path& powercap) {
  // "intel-rapl:0" is a package (AMD's too), "intel-rapl:0:1" a part of one.
  std::error_code error;
  for (const auto& zone : fs::directory_iterator(powercap, error)) {
    const std::string name = zone.path().filename().string();
    if (!name.starts_with("intel-rapl:") || name.find(':') != name.rfind(':')) continue;
    Package package{zone.path() / "energy_uj"};
    const auto now = number_in(package.counter);
    const auto range = number_in(zone.path() / "max_energy_range_uj");
    if (!now || !range) continue;
    package.last = *now;
    package.range = *range;
    packages_.push_back(package);
  }
  perf_ = open_instructions();
  cpu_start_ = cpu_seconds();
}

CostMeter::~CostMeter() {
  if (perf_ >= 0) close(perf_);
}

Cost CostMeter::read() {
  Cost cost;
  cost.cpu_seconds = cpu_seconds() - cpu_start_;
  for (Package& package : packages_) {
    const auto now = number_in(package.counter);
    if (!now) continue;
    const bool wrapped = *now < package.last;
    microjoules_ += static_cast<double>(wrapped ? *now + (package.range + 1 - package.last)
                                                : *now - package.last);
    package.last = *now;
  }
  if (!packages_.empty()) cost.joules = microjoules_ * 1e-6;
  uint64_t count = 0;
  if (perf_ >= 0 && ::read(perf_, &count, sizeof count) == sizeof count) cost.instructions = count;
  return cost;
}

std::string cost_text(const Cost& cost) {
  char text[96];
  std::snprintf(text, sizeof text, "%.2f s of processor", cost.cpu_seconds);
  std::string all = text;
  if (cost.joules) {
    std::snprintf(text, sizeof text, ", %.1f J", *cost.joules);
    all += text;
  }
  if (cost.instructions) {
    std::snprintf(text, sizeof text, ", %.1f G instructions",
                  static_cast<double>(*cost.instructions) * 1e-9);
    all += text;
  }
  return all;
}

}  // namespace sterna::cli
