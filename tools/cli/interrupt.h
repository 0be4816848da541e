#pragma once

#include <sterna/quant/error.h>

#include <optional>

namespace sterna::cli {

/// While it lives, the first Ctrl-C (or SIGTERM, or SIGHUP unless it is ignored) only asks for a
/// stop, so that files are finished; a second one ends the process at once. One at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  ~InterruptGuard();

  /// 0, or the exit code to leave with: 128 + the signal's number. Any thread may ask.
  int requested() const;
};

/// run(stop), which writes a file and throws sterna::Error, leaving none, when `stop` says so. From
/// the first time it is asked on Ctrl-C only asks for that. Returns 0, or the exit code of a stop.
template <class F>
int stoppable(F&& run) {
  std::optional<InterruptGuard> guard;
  try {
    run([&guard] {
      if (!guard) guard.emplace();
      return guard->requested() != 0;
    });
  } catch (const Error&) {
    if (guard && guard->requested() != 0) return guard->requested();
    throw;
  }
  return 0;
}

}  // namespace sterna::cli
