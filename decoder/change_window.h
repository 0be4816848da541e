#pragma once

#include <sterna/decoder/change.h>

#include <optional>
#include <vector>

#include "segment_queue.h"

namespace sterna::decoder {

/// The open segment of a stream: its newest frames one by one (as ticks), all earlier ones as sums.
/// Ticks are numbered from the oldest, 0.
class ChangeWindow {
 public:
  /// `memory`: seconds in which the part before the window fades in splits; infinity keeps it.
  /// Throws Error naming a member of the config that is out of range.
  ChangeWindow(const ChangeConfig& config, double memory);

  struct Pushed {
    Push push = Push::invalid;
    double step = 0;        // seconds since the frame before
    bool new_tick = false;  // it begins a tick: the one before is complete
  };
  Pushed push(double time, std::span<const float> embedding);

  size_t ticks() const { return count_; }
  double now() const { return now_; }
  double step() const { return step_; }
  double tick_time(size_t tick) const { return at(tick).time; }

  /// 1 - |S|^2 / W^2 of the window.
  double variance();

  struct Split {
    size_t tick = 0;        // the first of part 1
    double gain = 0;        // G, see change.h
    double after_cost = 0;  // 2 (W1 - |S1|)
  };
  /// The split with the largest G of those that leave the open segment at least min_dwell.
  std::optional<Split> best_split();
  /// G between the two newest complete ticks; there are at least three.
  double neighbour_gain();

  /// Ends the open segment before `tick`.
  void split(size_t tick);
  void finish();
  const Segment* next() { return queue_.take(); }

 private:
  struct Tick {
    double time = 0;   // of its first frame
    size_t frame = 0;  // number of its first frame
    double weight = 0;
  };
  size_t slot(size_t tick) const { return (oldest_ + tick) % ring_.size(); }
  const Tick& at(size_t tick) const { return ring_[slot(tick)]; }
  std::span<double> sum(size_t tick) { return std::span(sums_).subspan(slot(tick) * dim_, dim_); }
  void add(size_t tick, double weight);
  void retire_oldest();

  size_t dim_;
  double window_, min_dwell_, max_step_, tick_length_, memory_;
  StreamClock clock_;
  double now_ = 0, step_ = 0;
  bool finished_ = false;
  bool first_step_ = true;  // no time has passed yet
  size_t frames_ = 0;       // pushed

  std::vector<Tick> ring_;
  std::vector<double> sums_;  // [ring, d]
  size_t oldest_ = 0, count_ = 0;

  size_t first_ = 0;  // of the open segment
  double start_ = 0;
  std::vector<double> before_;  // [d] sum over the open segment before the window
  double before_weight_ = 0;
  std::vector<double> faded_;  // [d] the same with memory
  std::vector<float> unit_;    // [d]
  std::vector<double> early_, late_;
  SegmentQueue queue_;
};

}  // namespace sterna::decoder
