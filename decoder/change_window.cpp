#include "change_window.h"

#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace sterna::decoder {
namespace {

// Seconds that a frame weighs if no time has passed: its direction still counts where nothing else
// is known.
constexpr double kLeastWeight = 1e-6;

const ChangeConfig& checked(const ChangeConfig& c) {
  expect_positive("window", c.window);
  expect_positive("min_dwell", c.min_dwell);
  expect_positive("max_step", c.max_step);
  expect_positive("threshold", c.threshold);
  expect_positive("gain", c.gain);
  if (c.ticks < 2 || c.ticks > 4096) {
    throw Error("gate: ticks: expected 2 to 4096, found " + std::to_string(c.ticks));
  }
  if (!(c.hysteresis >= 0 && c.hysteresis <= 1)) {
    throw Error("gate: hysteresis: expected 0 to 1, found " + std::to_string(c.hysteresis));
  }
  if (!(c.target_rate >= 0) || !std::isfinite(c.target_rate)) {
    throw Error("gate: target_rate: expected 0 or more, found " + std::to_string(c.target_rate));
  }
  return c;
}

void add_to(std::span<double> into, std::span<const double> x) {
  for (size_t j = 0; j < into.size(); ++j) into[j] += x[j];
}

}  // namespace

ChangeWindow::ChangeWindow(const ChangeConfig& config, double memory)
    : dim_(checked(config).dim),
      window_(config.window),
      min_dwell_(config.min_dwell),
      max_step_(config.max_step),
      tick_length_(config.window / static_cast<double>(config.ticks)),
      memory_(memory),
      // Ticks begin tick_length_ apart: of those not older than the window there are ticks + 1 at
      // most, and the newest comes before the oldest goes.
      ring_(config.ticks + 2),
      sums_(ring_.size() * dim_),
      before_(dim_),
      faded_(dim_),
      unit_(dim_),
      early_(dim_),
      late_(dim_),
      queue_(dim_) {}

void ChangeWindow::add(size_t tick, double weight) {
  const std::span<double> into = sum(tick);
  for (size_t j = 0; j < dim_; ++j) into[j] += weight * static_cast<double>(unit_[j]);
  ring_[slot(tick)].weight += weight;
}

void ChangeWindow::retire_oldest() {
  const double weight = at(0).weight;
  add_to(before_, sum(0));
  before_weight_ += weight;
  const double kept = std::exp(-weight / memory_);
  for (double& v : faded_) v *= kept;
  add_to(faded_, sum(0));
  oldest_ = slot(1);
  --count_;
}

ChangeWindow::Pushed ChangeWindow::push(double time, std::span<const float> embedding) {
  queue_.expect_push(embedding, finished_);
  const size_t frame = frames_++;
  if (!std::isfinite(time) || !normalise(embedding, unit_)) return {};
  Pushed pushed{Push::taken, 0, false};
  now_ = clock_.advance(time);
  pushed.step = step_ = std::min(clock_.step(), max_step_);
  const double weight = std::max(step_, kLeastWeight);
  if (count_ == 0) {
    first_ = frame;
    start_ = now_;
  } else if (first_step_ && step_ > 0) {
    // The first frame has lasted as long as it took the second to come.
    first_step_ = false;
    const double scale = weight / at(0).weight;
    for (double& v : sum(0)) v *= scale;
    ring_[slot(0)].weight = weight;
  }
  if (count_ == 0 || now_ - at(count_ - 1).time >= tick_length_) {
    if (count_ == ring_.size()) retire_oldest();  // by rounding alone
    ++count_;
    ring_[slot(count_ - 1)] = {now_, frame, 0};
    std::ranges::fill(sum(count_ - 1), 0.0);
    pushed.new_tick = true;
  }
  add(count_ - 1, weight);
  while (count_ > 2 && at(0).time < now_ - window_) retire_oldest();
  return pushed;
}

double ChangeWindow::variance() {
  std::ranges::fill(late_, 0.0);
  double weight = 0;
  for (size_t k = 0; k < count_; ++k) {
    add_to(late_, sum(k));
    weight += at(k).weight;
  }
  const double mean = length(late_) / weight;
  return std::max(0.0, 1 - mean * mean);
}

std::optional<ChangeWindow::Split> ChangeWindow::best_split() {
  std::copy(faded_.begin(), faded_.end(), early_.begin());
  for (size_t k = 0; k < count_; ++k) add_to(early_, sum(k));
  const double whole = length(early_);
  std::ranges::fill(late_, 0.0);
  double late_weight = 0;
  std::optional<Split> best;
  for (size_t k = count_; k-- > 0;) {
    if (at(k).time - start_ < min_dwell_) break;  // so is every earlier tick
    const std::span<const double> x = sum(k);
    add_to(late_, x);
    for (size_t j = 0; j < dim_; ++j) early_[j] -= x[j];
    late_weight += at(k).weight;
    const double late = length(late_);
    const double gain = 2 * (length(early_) + late - whole);
    if (!best || gain >= best->gain) best = Split{k, gain, 2 * (late_weight - late)};
  }
  return best;
}

double ChangeWindow::neighbour_gain() {
  const std::span<const double> a = sum(count_ - 3), b = sum(count_ - 2);
  for (size_t j = 0; j < dim_; ++j) late_[j] = a[j] + b[j];
  return std::max(0.0, 2 * (length(a) + length(b) - length(late_)));
}

void ChangeWindow::split(size_t tick) {
  std::copy(before_.begin(), before_.end(), late_.begin());
  double weight = before_weight_;
  for (size_t k = 0; k < tick; ++k) {
    add_to(late_, sum(k));
    weight += at(k).weight;
  }
  const Tick& begin = at(tick);
  queue_.put(first_, begin.frame - first_, start_, begin.time, late_, weight);
  first_ = begin.frame;
  start_ = begin.time;
  std::ranges::fill(before_, 0.0);
  std::ranges::fill(faded_, 0.0);
  before_weight_ = 0;
  oldest_ = slot(tick);
  count_ -= tick;
}

void ChangeWindow::finish() {
  if (finished_) return;
  finished_ = true;
  if (count_ == 0) return;
  std::copy(before_.begin(), before_.end(), late_.begin());
  double weight = before_weight_;
  for (size_t k = 0; k < count_; ++k) {
    add_to(late_, sum(k));
    weight += at(k).weight;
  }
  queue_.put(first_, frames_ - first_, start_, now_ + clock_.step(), late_, weight);
}

}  // namespace sterna::decoder
