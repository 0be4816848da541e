#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace sterna::cli {

/// "1234 of 10000 (12 %), 98.1/s, 1:29 left, 3 failed" at the bottom of a terminal; silent when
/// standard error is none. Not for use by two threads at a time.
class Progress {
 public:
  /// `done` of `total` were finished by an earlier run and don't count for the speed.
  Progress(size_t total, size_t done);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();  // takes the line away

  void update(size_t done, size_t failed);

 private:
  using Clock = std::chrono::steady_clock;
  size_t total_, first_;
  Clock::time_point start_ = Clock::now(), next_ = start_;
  bool shown_;
};

/// 3725 seconds -> "1:02:05".
std::string clock_text(double seconds);

}  // namespace sterna::cli
