#pragma once

#include <sterna/quant/isa.h>
#include <sterna/quant/linear.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace sterna::cli {

struct BenchOptions {
  bool json = false;
  int threads = 0;                // 0: one thread, then every core
  std::optional<quant::Isa> isa;  // none: every SIMD set of this CPU
  std::vector<quant::Type> types = {quant::Type::t5, quant::Type::t34, quant::Type::t14,
                                    quant::Type::t2, quant::Type::i8,  quant::Type::bf16,
                                    quant::Type::f32};
  int rounds = 7;  // each measured this often, interleaved; the best counts
  std::function<void(const std::string&)> print;  // gets finished lines
};

/// `sterna bench kernels`: the limits of this machine, then every kernel as a share of the limit
/// that binds it, measured in turn within the same seconds, so that the shares hold on a noisy or
/// throttled machine where single numbers do not. Returns the exit code.
int bench_kernels(const BenchOptions& options);

}  // namespace sterna::cli
