#include <sterna/nn/executor.h>

#include <algorithm>

// Stands in for nn/executor.cpp where there is no oneTBB (STERNA_KERNELS_ONLY): the same kind of
// pieces, one after the other.
namespace sterna::nn {

struct Executor::Arena {};

Executor::Executor(int threads) : threads_(std::max(threads, 1)) {}
Executor::~Executor() = default;
Executor::Executor(Executor&&) noexcept = default;
Executor& Executor::operator=(Executor&&) noexcept = default;

void Executor::run(size_t n, size_t grain, Range body, void* ctx) const {
  const size_t pieces = (n + grain - 1) / grain;
  const size_t step = (pieces + static_cast<size_t>(threads_) - 1) / static_cast<size_t>(threads_);
  for (size_t i = 0; i < n; i += step * grain) body(ctx, 0, i, std::min(n, i + step * grain));
}

}  // namespace sterna::nn
