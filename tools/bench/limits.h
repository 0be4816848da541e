#pragma once

#include <sterna/nn/executor.h>
#include <sterna/quant/formats.h>
#include <sterna/quant/isa.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace sterna::cli {

/// Seconds of work: CPU time of the calling thread where it works alone, so that turns of other
/// processes do not count, else the time that passes.
double bench_seconds(int threads);

/// What this machine can do at most, each measured by a loop that does nothing else.
struct Limit {
  const char*
      name;  // dram_read, l2_read (GB/s); vnni, vnni256, maddubs (8-bit GOPS); bf16, f32 (GFLOPS)
  /// One run on every thread of the executor: the rate in units of 1e9 a second.
  double (*measure)(const nn::Executor& executor, std::span<const std::byte> memory);
};

/// The limits that this CPU has instructions for. `memory` of measure() must be far larger than the
/// last cache for dram_read, and hold at least 512 KiB a thread.
std::vector<Limit> machine_limits();

/// The name of the limit that binds a product of many tokens with weights of this type.
const char* compute_limit(quant::Type type, quant::Isa isa);

}  // namespace sterna::cli
