#pragma once

#include <sterna/vision/image_processor.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <vector>

namespace sterna::cli {

/// Which frames of a stream are embedded together: `frames` of them, spread over the last
/// `seconds`.
struct ClipShape {
  double seconds = 0;
  size_t frames = 1;  // 1: every frame by itself
};

/// What is kept of a frame: its embedding [dim], or its pixels as the tower reads them
/// [3, height, width] of `sides`. Frames that show the same share it.
struct Shot {
  vision::Sides sides;
  std::vector<float> values;
};
using SharedShot = std::shared_ptr<const Shot>;

/// The frames of the last seconds of a stream, and which of them the clip at the newest one is made
/// of. Times decide, not counts: of a stream at time t, N frames over S seconds are those that were
/// on screen at the instants
///     t - i S / N,  i = N - 1 ... 0,
/// each the newest frame that is not after its instant (by more than a millisecond, to which
/// containers round). So frames may come at any rate and with gaps; one that stays is repeated, and
/// so is the oldest where the stream is younger than the clip.
class ClipWindow {
 public:
  /// Throws Error unless shape.seconds > 0 and shape.frames > 0.
  explicit ClipWindow(const ClipShape& shape);

  /// The newest frame. A time before the last one's counts as that: give it the times of a
  /// decoder::StreamClock. Frames much denser than the instants are thinned (some instant then gets
  /// a frame up to 1/4 of their distance older), so that memory has a bound: see most().
  void add(double seconds, SharedShot shot);
  /// Forgets all frames.
  void clear() { frames_.clear(); }

  /// Null if there is none.
  SharedShot newest() const { return frames_.empty() ? nullptr : frames_.back().shot; }
  /// out [shape.frames], oldest first. Throws Error if there is none.
  void pick(std::span<SharedShot> out) const;
  size_t size() const { return frames_.size(); }
  /// More frames than this are never held, whatever the rate of the stream.
  size_t most() const { return 2 * kDense * shape_.frames + 3; }

 private:
  static constexpr size_t kDense = 4;

  struct Frame {
    double seconds;
    SharedShot shot;
  };

  double step() const { return shape_.seconds / static_cast<double>(shape_.frames); }
  double slack() const;

  ClipShape shape_;
  std::deque<Frame> frames_;
};

}  // namespace sterna::cli
