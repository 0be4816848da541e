#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>

namespace sterna::nn {

/// A fixed number of threads (a oneTBB task arena) on which loops over independent outputs run.
/// Reductions are never split, so results are bit-identical for any number of threads.
/// Thread-safe: several callers may use one Executor at once. With one thread nothing is spawned.
class Executor {
 public:
  /// Every core that this process may use, or `threads` of them if that is fewer (0: all).
  explicit Executor(int threads = 0);
  ~Executor();
  Executor(Executor&&) noexcept;
  Executor& operator=(Executor&&) noexcept;

  int threads() const { return threads_; }

  /// Calls f(begin, end) on disjoint ranges that cover [0, n), each a multiple of `grain` long
  /// except the last. Returns when all are done; f must not throw. Allocates nothing itself.
  /// f may also be f(slot, begin, end): no two ranges run at once with the same slot < threads(),
  /// so a slot names scratch memory of the caller's (ranges must not depend on which they get).
  template <class F>
  void for_ranges(size_t n, size_t grain, F&& f) const {
    using Fn = std::remove_reference_t<F>;
    run(
        n, grain == 0 ? 1 : grain,
        [](void* ctx, [[maybe_unused]] size_t slot, size_t begin, size_t end) {
          if constexpr (std::is_invocable_v<Fn&, size_t, size_t, size_t>) {
            (*static_cast<Fn*>(ctx))(slot, begin, end);
          } else {
            (*static_cast<Fn*>(ctx))(begin, end);
          }
        },
        const_cast<void*>(static_cast<const void*>(&f)));
  }

 private:
  using Range = void (*)(void* ctx, size_t slot, size_t begin, size_t end);
  void run(size_t n, size_t grain, Range body, void* ctx) const;

  struct Arena;
  std::unique_ptr<Arena> arena_;
  int threads_ = 1;
};

}  // namespace sterna::nn
