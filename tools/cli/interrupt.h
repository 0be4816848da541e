#pragma once

namespace sterna::cli {

/// While it lives, the first Ctrl-C (or SIGTERM) only asks for a stop, so that files are finished;
/// a second one ends the process at once. One at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  ~InterruptGuard();

  /// 0, or the exit code to leave with: 128 + the signal's number. Any thread may ask.
  int requested() const;
};

}  // namespace sterna::cli
