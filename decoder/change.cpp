#include <sterna/decoder/change.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "change_window.h"

namespace sterna::decoder {
namespace {

// An adapting threshold stays in the range that the statistic can take.
constexpr double kLeastThreshold = 1e-6;

}  // namespace

AdaptiveThreshold::AdaptiveThreshold(double start, double rate, double gain, double least,
                                     double most)
    : value_(start), rate_(rate), gain_(gain), least_(least), most_(std::max(start, most)) {}

double AdaptiveThreshold::step() const { return gain_ * (1 + 4 / (1 + changes_)); }

void AdaptiveThreshold::elapse(double seconds) {
  if (rate_ > 0) value_ = std::max(least_, value_ * std::exp(-step() * rate_ * seconds));
}

void AdaptiveThreshold::change() {
  if (rate_ > 0) value_ = std::min(most_, value_ * std::exp(step()));
  changes_ += 1;
}

VarianceGate::VarianceGate(const ChangeConfig& config)
    : config_(config),
      window_(std::make_unique<ChangeWindow>(config, std::numeric_limits<double>::infinity())),
      threshold_(config.threshold, config.target_rate, config.gain, kLeastThreshold, 1) {}

VarianceGate::~VarianceGate() = default;

Push VarianceGate::push(double time, std::span<const float> embedding) {
  const ChangeWindow::Pushed pushed = window_->push(time, embedding);
  if (pushed.push != Push::taken) return pushed.push;
  threshold_.elapse(pushed.step);
  statistic_ = window_->variance();
  peak_ = std::max(peak_, statistic_);
  if (statistic_ < config_.hysteresis * peak_) armed_ = true;
  if (!armed_ || statistic_ < threshold_.value()) return Push::taken;
  if (const auto split = window_->best_split()) {
    window_->split(split->tick);
    threshold_.change();
    armed_ = false;
    peak_ = statistic_;
  }
  return Push::taken;
}

void VarianceGate::finish() { window_->finish(); }
const Segment* VarianceGate::next() { return window_->next(); }

CusumGate::CusumGate(const Config& config)
    : config_(config),
      window_(std::make_unique<ChangeWindow>(config, config.memory)),
      // G = 2 (|S0| + |S1| - |S|) is at most 4 W1, with two opposite directions.
      threshold_(config.threshold, config.target_rate, config.gain, kLeastThreshold,
                 4 * config.window) {
  expect_positive("memory", config.memory);
  expect_positive("settled", config.settled);
  if (!(config.noise_factor >= 0) || !std::isfinite(config.noise_factor)) {
    throw Error("gate: noise_factor: expected 0 or more, found " +
                std::to_string(config.noise_factor));
  }
}

CusumGate::~CusumGate() = default;

double CusumGate::threshold() const {
  return std::max(threshold_.value(), config_.noise_factor * noise_);
}

void CusumGate::track_noise() {
  const double gain = window_->neighbour_gain();
  // A median by steps of 1/n, then of 2 %; it never sinks so low that it could not rise again.
  const double step = std::max(0.02, 1 / (1 + static_cast<double>(noise_ticks_)));
  if (noise_ticks_++ == 0) {
    noise_ = gain;
  } else {
    noise_ *= gain > noise_ ? 1 + step : 1 - step;
  }
  noise_ = std::max(noise_, config_.threshold * 1e-3);
}

bool CusumGate::lasted(double seconds) const {
  return seconds >= std::min(config_.min_dwell, config_.window / 2);
}

Push CusumGate::push(double time, std::span<const float> embedding) {
  const ChangeWindow::Pushed pushed = window_->push(time, embedding);
  if (pushed.push != Push::taken) return pushed.push;
  threshold_.elapse(pushed.step);
  if (pushed.new_tick && window_->ticks() >= 3) track_noise();

  const auto split = window_->best_split();
  statistic_ = split ? std::max(0.0, split->gain) : 0;
  if (statistic_ >= threshold()) pending_ = true;
  if (statistic_ < config_.hysteresis * threshold()) pending_ = false;
  if (!pending_ || !split) return Push::taken;

  const double age = window_->now() - window_->tick_time(split->tick);
  const bool settled = split->after_cost <= config_.settled * split->gain;
  const bool last_chance = age + window_->step() >= config_.window;
  if (lasted(age) && (settled || last_chance)) {
    window_->split(split->tick);
    threshold_.change();
    pending_ = false;
  }
  return Push::taken;
}

void CusumGate::finish() {
  // The last frame lasts one step more: enough for a change that only waited to have lasted.
  if (const auto split = finished_ ? std::nullopt : window_->best_split()) {
    const double least = (pending_ ? config_.hysteresis : 1) * threshold();
    const double age = window_->now() + window_->step() - window_->tick_time(split->tick);
    if (split->gain >= least && lasted(age)) window_->split(split->tick);
  }
  finished_ = true;
  window_->finish();
}
const Segment* CusumGate::next() { return window_->next(); }

}  // namespace sterna::decoder
