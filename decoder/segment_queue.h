#pragma once

#include <sterna/decoder/gate.h>

#include <array>
#include <span>
#include <string>
#include <vector>

namespace sterna::decoder {

/// Segments that have ended and wait to be taken: one of push() and one of finish() at most. Owns
/// the memory of their averages; allocates nothing after construction.
class SegmentQueue {
 public:
  explicit SegmentQueue(size_t dim);

  /// `sum` [d] is the sum of the segment's weighted directions, `weight` of their weights.
  void put(size_t first, size_t frames, double start, double end, std::span<const double> sum,
           double weight);
  const Segment* take();
  /// What every push() does first: throws Error for another width than the gate's, for a gate that
  /// is finished, and for a segment that was not taken.
  void expect_push(std::span<const float> embedding, bool finished) const;

 private:
  size_t dim_;
  size_t taken_ = 0, put_ = 0;       // counted since construction
  std::array<Segment, 3> segments_;  // the third: a segment stays valid until the next call
  std::array<std::vector<float>, 3> averages_;
};

/// Throws Error unless `value` is finite and positive.
void expect_positive(const char* what, double value);

/// |x|
double length(std::span<const double> x);

}  // namespace sterna::decoder
