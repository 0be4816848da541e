#include <sterna/decoder/ward.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

namespace sterna::decoder {
namespace {

constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();
constexpr size_t kLanes = 8;

/// sum (a_j scale_a - b_j scale_b)^2, in kLanes sums that the compiler may keep in registers.
template <class A, class B>
double squared_distance(const A* a, double scale_a, const B* b, double scale_b, size_t d) {
  std::array<double, kLanes> lanes{};
  size_t j = 0;
  for (; j + kLanes <= d; j += kLanes) {
    for (size_t l = 0; l < kLanes; ++l) {
      const double diff =
          static_cast<double>(a[j + l]) * scale_a - static_cast<double>(b[j + l]) * scale_b;
      lanes[l] += diff * diff;
    }
  }
  for (; j < d; ++j) {
    const double diff = static_cast<double>(a[j]) * scale_a - static_cast<double>(b[j]) * scale_b;
    lanes[0] += diff * diff;
  }
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

void check(nn::Mat<const float> x, std::span<const double> weights) {
  if (x.rows == 0 || x.cols == 0) {
    throw Error("embeddings: expected at least one frame and one column, found [" +
                std::to_string(x.rows) + ", " + std::to_string(x.cols) + "]");
  }
  if (x.rows >= kNone) {
    throw Error("embeddings: expected fewer than 2^32 - 1 frames, found " + std::to_string(x.rows));
  }
  if (!weights.empty() && weights.size() != x.rows) {
    throw Error("weights: expected " + std::to_string(x.rows) + ", found " +
                std::to_string(weights.size()));
  }
  for (size_t i = 0; i < x.rows; ++i) {
    const float* row = x.row(i);
    for (size_t j = 0; j < x.cols; ++j) {
      if (!std::isfinite(row[j])) {
        throw Error("embeddings: row " + std::to_string(i) + ": expected finite numbers, found " +
                    std::to_string(row[j]));
      }
    }
  }
  for (size_t i = 0; i < weights.size(); ++i) {
    if (!(weights[i] > 0) || !std::isfinite(weights[i])) {
      throw Error("weights: frame " + std::to_string(i) + ": expected a positive number, found " +
                  std::to_string(weights[i]));
    }
  }
}

/// The segments of a sequence while they merge. A segment is named by its first frame. That of one
/// frame is its input row; a longer one has the sum of its rows in a slot of the pool.
class Segments {
 public:
  Segments(nn::Mat<const float> x, std::span<const double> weights) : x_(x) {
    const size_t n = x.rows;
    weight_.assign(n, 1.0);
    std::copy(weights.begin(), weights.end(), weight_.begin());
    slot_.assign(n, kNone);
    previous_.resize(n);
    next_.resize(n);
    for (size_t i = 0; i < n; ++i) {
      previous_[i] = i == 0 ? kNone : static_cast<uint32_t>(i - 1);
      next_[i] = i + 1 == n ? kNone : static_cast<uint32_t>(i + 1);
    }
  }

  uint32_t previous(uint32_t a) const { return previous_[a]; }
  uint32_t next(uint32_t a) const { return next_[a]; }

  double merge_cost(uint32_t a, uint32_t b) const {
    const double wa = weight_[a], wb = weight_[b];
    return wa * wb / (wa + wb) * distance(a, b);
  }

  /// Joins b, the segment after a, to a.
  void merge(uint32_t a, uint32_t b) {
    const size_t d = x_.cols;
    if (slot_[a] == kNone && slot_[b] != kNone) {
      add_row(slot_[b], a);
      std::swap(slot_[a], slot_[b]);
    } else if (slot_[a] == kNone) {
      slot_[a] = take_slot();
      add_row(slot_[a], a);
      add_row(slot_[a], b);
    } else if (slot_[b] == kNone) {
      add_row(slot_[a], b);
    } else {
      double* into = sum(slot_[a]);
      const double* from = sum(slot_[b]);
      for (size_t j = 0; j < d; ++j) into[j] += from[j];
      free_.push_back(slot_[b]);
      slot_[b] = kNone;
    }
    weight_[a] += weight_[b];
    next_[a] = next_[b];
    if (next_[a] != kNone) previous_[next_[a]] = a;
  }

 private:
  double distance(uint32_t a, uint32_t b) const {
    const size_t d = x_.cols;
    const double sa = 1 / weight_[a], sb = 1 / weight_[b];
    if (slot_[a] == kNone) {
      return slot_[b] == kNone ? squared_distance(x_.row(a), 1, x_.row(b), 1, d)
                               : squared_distance(x_.row(a), 1, sum(slot_[b]), sb, d);
    }
    return slot_[b] == kNone ? squared_distance(sum(slot_[a]), sa, x_.row(b), 1, d)
                             : squared_distance(sum(slot_[a]), sa, sum(slot_[b]), sb, d);
  }

  void add_row(uint32_t slot, uint32_t frame) {
    double* into = sum(slot);
    const float* row = x_.row(frame);
    const double w = weight_[frame];
    for (size_t j = 0; j < x_.cols; ++j) into[j] += w * static_cast<double>(row[j]);
  }

  /// A slot of zeros.
  uint32_t take_slot() {
    if (free_.empty()) {
      pool_.emplace_back(kSlotsPerBlock * x_.cols);
      for (size_t i = kSlotsPerBlock; i-- > 0;) {
        free_.push_back(static_cast<uint32_t>((pool_.size() - 1) * kSlotsPerBlock + i));
      }
    }
    const uint32_t slot = free_.back();
    free_.pop_back();
    std::fill_n(sum(slot), x_.cols, 0.0);
    return slot;
  }

  double* sum(uint32_t slot) {
    return pool_[slot / kSlotsPerBlock].data() + slot % kSlotsPerBlock * x_.cols;
  }
  const double* sum(uint32_t slot) const { return const_cast<Segments*>(this)->sum(slot); }

  // Blocks: growing never copies the sums, so that no moment needs them twice.
  static constexpr size_t kSlotsPerBlock = 64;

  nn::Mat<const float> x_;
  std::vector<double> weight_;
  std::vector<uint32_t> slot_, previous_, next_;
  std::vector<std::vector<double>> pool_;  // [kSlotsPerBlock, d] each
  std::vector<uint32_t> free_;
};

/// A possible merge. It is out of date once its boundary is gone or has another cost.
struct Candidate {
  double cost;
  uint32_t boundary;
};
/// Heap order: the cheapest on top, of equal ones the earliest.
bool later(const Candidate& a, const Candidate& b) {
  return a.cost != b.cost ? a.cost > b.cost : a.boundary > b.boundary;
}

}  // namespace

double ward_height(double cost) { return std::sqrt(2 * cost); }

WardTree::WardTree(nn::Mat<const float> embeddings, std::span<const double> weights)
    : frames_(embeddings.rows) {
  check(embeddings, weights);
  Segments segments(embeddings, weights);
  std::vector<double> cost(frames_, -1.0);  // of the merge at each boundary; negative: none
  std::vector<Candidate> heap;
  heap.reserve(frames_);
  for (uint32_t b = 1; b < frames_; ++b) {
    cost[b] = segments.merge_cost(b - 1, b);
    heap.push_back({cost[b], b});
  }
  std::make_heap(heap.begin(), heap.end(), later);
  const auto propose = [&](uint32_t a, uint32_t b) {
    cost[b] = segments.merge_cost(a, b);
    heap.push_back({cost[b], b});
    std::push_heap(heap.begin(), heap.end(), later);
  };

  merges_.reserve(frames_ - 1);
  while (merges_.size() + 1 < frames_) {
    const Candidate best = heap.front();
    std::pop_heap(heap.begin(), heap.end(), later);
    heap.pop_back();
    const uint32_t b = best.boundary;
    if (cost[b] != best.cost) continue;
    const uint32_t a = segments.previous(b);
    segments.merge(a, b);
    cost[b] = -1;
    merges_.push_back({b, best.cost});
    if (segments.previous(a) != kNone) propose(segments.previous(a), a);
    if (segments.next(a) != kNone) propose(a, segments.next(a));
  }
}

std::vector<size_t> WardTree::cut_after(size_t merges) const {
  std::vector<bool> gone(frames_, false);
  for (size_t i = 0; i < merges; ++i) gone[merges_[i].boundary] = true;
  std::vector<size_t> starts;
  starts.reserve(frames_ - merges);
  for (size_t i = 0; i < frames_; ++i) {
    if (!gone[i]) starts.push_back(i);
  }
  return starts;
}

std::vector<size_t> WardTree::cut_count(size_t segments) const {
  if (segments == 0 || segments > frames_) {
    throw Error("cut: expected 1 to " + std::to_string(frames_) + " segments, found " +
                std::to_string(segments));
  }
  return cut_after(frames_ - segments);
}

std::vector<size_t> WardTree::cut_cost(double cost) const {
  if (!(cost >= 0)) throw Error("cut: expected a cost of 0 or more, found " + std::to_string(cost));
  const auto dear = std::find_if(merges_.begin(), merges_.end(),
                                 [&](const WardMerge& merge) { return merge.cost > cost; });
  return cut_after(static_cast<size_t>(dear - merges_.begin()));
}

std::vector<size_t> WardTree::cut_rate(double per_second, std::span<const double> times) const {
  if (!(per_second > 0)) {
    throw Error("cut: expected a positive rate, found " + std::to_string(per_second));
  }
  if (times.size() != frames_) {
    throw Error("cut: expected " + std::to_string(frames_) + " times, found " +
                std::to_string(times.size()));
  }
  double seconds = 0;
  for (size_t i = 0; i < times.size(); ++i) {
    if (!std::isfinite(times[i])) {
      throw Error("cut: time of frame " + std::to_string(i) + ": expected a finite number, found " +
                  std::to_string(times[i]));
    }
    if (i > 0) seconds += std::max(0.0, times[i] - times[i - 1]);
  }
  // A product that misses a whole number by rounding alone counts as that number.
  const double allowed = std::floor(per_second * seconds * (1 + 1e-12));
  return cut_count(static_cast<size_t>(std::clamp(allowed, 1.0, static_cast<double>(frames_))));
}

std::vector<float> segment_averages(nn::Mat<const float> embeddings, std::span<const size_t> starts,
                                    std::span<const double> weights) {
  check(embeddings, weights);
  const size_t n = embeddings.rows, d = embeddings.cols;
  std::vector<float> averages(starts.size() * d);
  std::vector<double> sum(d);
  if (starts.empty() || starts[0] != 0) throw Error("segments: expected the first to start at 0");
  for (size_t s = 0; s < starts.size(); ++s) {
    const size_t end = s + 1 < starts.size() ? starts[s + 1] : n;
    if (starts[s] >= end || end > n) {
      throw Error("segments: expected ascending starts below " + std::to_string(n) + ", found " +
                  std::to_string(starts[s]) + " before " + std::to_string(end));
    }
    std::fill(sum.begin(), sum.end(), 0.0);
    double weight = 0;
    for (size_t i = starts[s]; i < end; ++i) {
      const double w = weights.empty() ? 1.0 : weights[i];
      const float* row = embeddings.row(i);
      for (size_t j = 0; j < d; ++j) sum[j] += w * static_cast<double>(row[j]);
      weight += w;
    }
    for (size_t j = 0; j < d; ++j) averages[s * d + j] = static_cast<float>(sum[j] / weight);
  }
  return averages;
}

}  // namespace sterna::decoder
