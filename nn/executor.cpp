#include <sterna/nn/executor.h>

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>

namespace sterna::nn {

struct Executor::Arena {
  explicit Arena(int threads) : tbb(threads) {}
  mutable oneapi::tbb::task_arena tbb;
};

Executor::Executor(int threads)
    : threads_(oneapi::tbb::info::default_concurrency()) {
  if (threads > 0) threads_ = std::min(threads, threads_);
  if (threads_ > 1) arena_ = std::make_unique<Arena>(threads_);
}
Executor::~Executor() = default;
Executor::Executor(Executor&&) noexcept = default;
Executor& Executor::operator=(Executor&&) noexcept = default;

void Executor::run(size_t n, size_t grain, Range body, void* ctx) const {
  const size_t pieces = (n + grain - 1) / grain;
  if (!arena_ || pieces <= 1) {
    if (n > 0) body(ctx, 0, 0, n);
    return;
  }
  // Even pieces, one to four a thread: enough to balance, few enough to stay cheap.
  const size_t wanted = std::min(pieces, static_cast<size_t>(threads_) * 4);
  const size_t step = (pieces + wanted - 1) / wanted * grain;
  const size_t ranges = (n + step - 1) / step;
  arena_->tbb.execute([&] {
    oneapi::tbb::parallel_for(
        size_t{0}, ranges,
        [&](size_t i) {
          const auto slot =
              static_cast<size_t>(oneapi::tbb::this_task_arena::current_thread_index());
          body(ctx, slot, i * step, std::min(n, (i + 1) * step));
        },
        oneapi::tbb::simple_partitioner{});
  });
}

}  // namespace sterna::nn
