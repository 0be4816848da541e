#pragma once

#include <sterna/quant/isa.h>
#include <sterna/quant/linear.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace sterna::cli {

struct BenchGiantOptions {
  double params = 1e9;  // 1e6 to 1e12, about
  quant::Type format = quant::Type::t5;
  std::filesystem::path keep;  // folder that the file stays in; empty: a temporary one
  quant::Isa isa = quant::best_isa();
  int threads = 0;     // 0: every core
  double seconds = 2;  // of passes, at least three
  bool json = false;
  std::function<void(const std::string&)> print;  // gets finished lines
};

/// A stack of ternary predictor blocks (nn::TernaryBlock) of width d and MLP width 4d: 12 d^2
/// weights a block. d grows with the cube root of the weights, as in models that are trained at
/// such sizes (d = 128 a block), rounded to a multiple of 256.
struct GiantShape {
  size_t width = 0, mlp = 0, heads = 0, blocks = 0;
  uint64_t weights() const { return uint64_t{12} * width * width * blocks; }
};
GiantShape giant_shape(double params);

/// Writes the stack with weights of no meaning as "<folder>/giant-<format>-<weights>.gguf", or
/// takes the file that is there already, if it is complete. Streams: memory holds a megabyte of
/// weights. Throws sterna::Error if the disk has no room for it (and a tenth more), or for what the
/// disk says. `stop` is asked between pieces and ends the work by returning an empty path.
std::filesystem::path write_giant(const GiantShape& shape, quant::Type format,
                                  const std::filesystem::path& folder,
                                  const std::function<bool()>& stop);

/// `sterna bench giant`: how a model far larger than the caches loads and runs: time to open it,
/// passes of one token through every block a second, what share of the machine's read bandwidth
/// (measured on the same map between the passes) that is, and what memory the process holds.
/// Returns the exit code.
int bench_giant(const BenchGiantOptions& options);

}  // namespace sterna::cli
