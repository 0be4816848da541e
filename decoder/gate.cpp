#include <sterna/decoder/gate.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "segment_queue.h"

namespace sterna::decoder {

bool normalise(std::span<const float> x, std::span<float> out) {
  // In double: the square of a float can be neither too large nor too small.
  double sum = 0;
  for (const float v : x) sum += static_cast<double>(v) * static_cast<double>(v);
  if (!std::isfinite(sum) || sum == 0) return false;
  const double scale = 1 / std::sqrt(sum);
  for (size_t j = 0; j < x.size(); ++j) {
    out[j] = static_cast<float>(static_cast<double>(x[j]) * scale);
  }
  return true;
}

double length(std::span<const double> x) {
  std::array<double, 4> lanes{};
  size_t j = 0;
  for (; j + 4 <= x.size(); j += 4) {
    for (size_t l = 0; l < 4; ++l) lanes[l] += x[j + l] * x[j + l];
  }
  for (; j < x.size(); ++j) lanes[0] += x[j] * x[j];
  return std::sqrt(lanes[0] + lanes[1] + lanes[2] + lanes[3]);
}

void expect_positive(const char* what, double value) {
  if (!(value > 0) || !std::isfinite(value)) {
    throw Error(std::string("gate: ") + what + ": expected a positive number, found " +
                std::to_string(value));
  }
}

SegmentQueue::SegmentQueue(size_t dim) : dim_(dim) {
  if (dim == 0) throw Error("gate: expected a width of 1 or more, found 0");
  for (auto& average : averages_) average.resize(dim);
}

void SegmentQueue::put(size_t first, size_t frames, double start, double end,
                       std::span<const double> sum, double weight) {
  const size_t slot = put_++ % segments_.size();
  const double norm = length(sum);
  const double scale = norm > 0 ? 1 / norm : 0;
  for (size_t j = 0; j < dim_; ++j) averages_[slot][j] = static_cast<float>(sum[j] * scale);
  segments_[slot] = {first, frames, start, end, averages_[slot], static_cast<float>(norm / weight)};
}

const Segment* SegmentQueue::take() {
  return taken_ == put_ ? nullptr : &segments_[taken_++ % segments_.size()];
}

void SegmentQueue::expect_push(std::span<const float> embedding, bool finished) const {
  if (embedding.size() != dim_) {
    throw Error("gate: expected an embedding of " + std::to_string(dim_) + " numbers, found " +
                std::to_string(embedding.size()));
  }
  if (finished) throw Error("gate: expected no frames after the end of the stream, found one");
  if (taken_ != put_) throw Error("gate: a segment has ended and was not taken before this frame");
}

double StreamClock::advance(double stamp) {
  if (!started_) {
    started_ = true;
    time_ = stamp;
  } else {
    // A source that began anew delivered a frame all the same, so some time went by.
    step_ = stamp >= stamp_ ? stamp - stamp_ : forward_;
    if (stamp > stamp_) forward_ = step_;
    time_ += step_;
  }
  stamp_ = stamp;
  return time_;
}

UniformGate::UniformGate(size_t dim, double seconds)
    : seconds_(seconds), unit_(dim), sum_(dim), queue_(std::make_unique<SegmentQueue>(dim)) {
  expect_positive("period", seconds);
}

UniformGate::~UniformGate() = default;

Push UniformGate::push(double time, std::span<const float> embedding) {
  queue_->expect_push(embedding, finished_);
  const size_t frame = frame_++;
  if (!std::isfinite(time) || !normalise(embedding, unit_)) return Push::invalid;
  time_ = clock_.advance(time);
  if (weight_ == 0) {
    first_ = frame;
    start_ = period_ = time_;
  } else if (time_ - period_ >= seconds_) {
    queue_->put(first_, frame - first_, start_, time_, sum_, weight_);
    std::fill(sum_.begin(), sum_.end(), 0.0);
    weight_ = 0;
    first_ = frame;
    start_ = time_;
    period_ += std::floor((time_ - period_) / seconds_) * seconds_;
  }
  for (size_t j = 0; j < sum_.size(); ++j) sum_[j] += static_cast<double>(unit_[j]);
  weight_ += 1;
  return Push::taken;
}

void UniformGate::finish() {
  if (finished_) return;
  finished_ = true;
  if (weight_ > 0) {
    queue_->put(first_, frame_ - first_, start_, time_ + clock_.step(), sum_, weight_);
  }
}

const Segment* UniformGate::next() { return queue_->take(); }

WardGate::WardGate(size_t dim, WardCut cut) : dim_(dim), cut_(cut) {
  if (dim == 0) throw Error("gate: expected a width of 1 or more, found 0");
  if (cut.rate.has_value() == cut.cost.has_value()) {
    throw Error("gate: expected either a rate or a cost to cut at");
  }
  if (cut.rate) expect_positive("rate", *cut.rate);
  if (cut.cost && !(*cut.cost >= 0)) {
    throw Error("gate: expected a cost of 0 or more, found " + std::to_string(*cut.cost));
  }
  expect_positive("max_step", cut.max_step);
}

Push WardGate::push(double time, std::span<const float> embedding) {
  if (embedding.size() != dim_) {
    throw Error("gate: expected an embedding of " + std::to_string(dim_) + " numbers, found " +
                std::to_string(embedding.size()));
  }
  if (finished_) throw Error("gate: expected no frames after the end of the stream, found one");
  const size_t frame = frame_++, at = embeddings_.size();
  if (!std::isfinite(time)) return Push::invalid;
  embeddings_.resize(at + dim_);
  if (!normalise(embedding, std::span(embeddings_).subspan(at))) {
    embeddings_.resize(at);
    return Push::invalid;
  }
  times_.push_back(clock_.advance(time));
  frames_.push_back(frame);
  return Push::taken;
}

void WardGate::finish() {
  if (finished_) return;
  finished_ = true;
  if (times_.empty()) return;
  end_ = times_.back() + clock_.step();
  // Frames of one moment share it; a tree needs weights that are not zero.
  constexpr double kLeast = 1e-6;
  for (size_t i = 0; i < times_.size(); ++i) {
    const double until = i + 1 < times_.size() ? times_[i + 1] : end_;
    weights_.push_back(std::clamp(until - times_[i], kLeast, cut_.max_step));
  }
  const nn::Mat<const float> x(embeddings_.data(), times_.size(), dim_);
  const WardTree tree(x, weights_);
  starts_ = cut_.rate ? tree.cut_rate(*cut_.rate, times_) : tree.cut_cost(*cut_.cost);
  averages_ = segment_averages(x, starts_, weights_);
}

const Segment* WardGate::next() {
  if (next_ == starts_.size()) return nullptr;
  const size_t s = next_++;
  const bool last = next_ == starts_.size();
  const std::span<float> average = std::span(averages_).subspan(s * dim_, dim_);
  double sum = 0;
  for (const float v : average) sum += static_cast<double>(v) * static_cast<double>(v);
  normalise(average, average);
  const size_t first = frames_[starts_[s]];
  segment_ = {first,
              (last ? frame_ : frames_[starts_[next_]]) - first,
              times_[starts_[s]],
              last ? end_ : times_[starts_[next_]],
              average,
              static_cast<float>(std::sqrt(sum))};
  return &segment_;
}

}  // namespace sterna::decoder
