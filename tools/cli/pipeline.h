#pragma once

#include <tbb/enumerable_thread_specific.h>
#include <tbb/global_control.h>
#include <tbb/parallel_pipeline.h>
#include <tbb/task_arena.h>

#include <atomic>
#include <cstddef>
#include <optional>
#include <utility>

namespace sterna::cli {

/// Runs `work` on items first, first + 1, ... n - 1 on `threads` threads (0 = all cores) and hands
/// the results to `finish` one at a time, in order. Several items are in different phases at once,
/// so reading and decoding of some overlap the computing of others; a slow item holds back at most
/// a few others per thread, which bounds memory.
///
///   make_worker() -> Worker         one a thread, made when first needed: scratch, sessions
///   announce(i)                     before item i is taken up: start fetching what it will need
///   work(worker, i) -> Result       in parallel; should turn an item's faults into its Result
///   finish(i, Result&&) -> bool     serial, in order; false stops taking up further items
///
/// Exceptions end the run and reach the caller.
template <class MakeWorker, class Announce, class Work, class Finish>
void ordered_pipeline(size_t first, size_t n, int threads, MakeWorker make_worker,
                      Announce announce, Work work, Finish finish) {
  using Worker = decltype(make_worker());
  using Result = decltype(work(std::declval<Worker&>(), size_t{}));
  struct Item {
    size_t index;
    std::optional<Result> result;
  };
  // oneTBB would cap at the number of cores, and complain.
  std::optional<tbb::global_control> more;
  if (threads > 0) {
    more.emplace(tbb::global_control::max_allowed_parallelism, static_cast<size_t>(threads));
  }
  tbb::task_arena arena(threads > 0 ? threads : tbb::task_arena::automatic);
  tbb::enumerable_thread_specific<Worker> workers(std::move(make_worker));
  size_t next = first;  // the taking stage's own
  std::atomic<bool> stop = false;
  arena.execute([&] {
    const auto live = static_cast<size_t>(arena.max_concurrency()) * 4;
    const auto take = [&](tbb::flow_control& control) -> Item {
      if (next >= n || stop) {
        control.stop();
        return {};
      }
      announce(next);
      return {next++, std::nullopt};
    };
    const auto compute = [&](Item item) {
      item.result.emplace(work(workers.local(), item.index));
      return item;
    };
    const auto deliver = [&](Item item) {
      if (!stop && !finish(item.index, std::move(*item.result))) stop = true;
    };
    tbb::parallel_pipeline(
        live, tbb::make_filter<void, Item>(tbb::filter_mode::serial_in_order, take) &
                  tbb::make_filter<Item, Item>(tbb::filter_mode::parallel, compute) &
                  tbb::make_filter<Item, void>(tbb::filter_mode::serial_in_order, deliver));
  });
}

}  // namespace sterna::cli
