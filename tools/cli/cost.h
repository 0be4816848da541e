#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sterna::cli {

/// What a stretch of work cost, as far as the machine tells.
struct Cost {
  double cpu_seconds = 0;                // of this process, all threads, system included
  std::optional<double> joules;          // of the whole machine's processor packages (RAPL)
  std::optional<uint64_t> instructions;  // of this process, in user space (perf events)
};

/// What was spent since an earlier reading of the same meter.
Cost operator-(const Cost& now, const Cost& before);

/// Measures from its construction on. Joules need readable energy counters (Linux: root, Intel or
/// AMD, seldom in a virtual machine), instructions a kernel that lets a process count its own; what
/// is not to be had is nullopt. Threads that began before it are not counted among instructions.
class CostMeter {
 public:
  explicit CostMeter(const std::filesystem::path& powercap = "/sys/class/powercap");
  CostMeter(const CostMeter&) = delete;
  CostMeter& operator=(const CostMeter&) = delete;
  ~CostMeter();
  /// Since construction. Energy counters wrap within minutes to hours: to be read now and then.
  Cost read();

 private:
  struct Package {
    std::filesystem::path counter;
    uint64_t last = 0, range = 0;  // microjoules; it counts modulo range + 1
  };
  std::vector<Package> packages_;
  double microjoules_ = 0;
  double cpu_start_ = 0;
  int perf_ = -1;
};

/// {"cpu_seconds", "joules", "instructions"} as text for people: "3.2 s of processor, 14 J".
std::string cost_text(const Cost& cost);

}  // namespace sterna::cli
