#include "watch/keyframes.h"

#include <utility>

namespace sterna::cli {

void Keyframes::add(Frame frame) {
  if (++skipped_ < stride_) return;
  skipped_ = 0;
  frames_.push_back(std::move(frame));
  if (frames_.size() <= capacity_) return;
  std::deque<Frame> half;
  for (size_t i = 0; i < frames_.size(); i += 2) half.push_back(std::move(frames_[i]));
  frames_ = std::move(half);
  stride_ *= 2;
}

Keyframes::Frame Keyframes::take(size_t first, size_t count) {
  const size_t middle = first + count / 2;
  Frame best;
  bool found = false;
  for (const Frame& frame : frames_) {
    const auto away = [&](const Frame& f) {
      // Frames of other segments only if there is none of this.
      const bool outside = f.number < first || f.number >= first + count;
      const size_t distance = f.number > middle ? f.number - middle : middle - f.number;
      return std::pair(outside, distance);
    };
    if (!found || away(frame) < away(best)) best = frame;
    found = true;
  }
  while (!frames_.empty() && frames_.front().number < first + count) frames_.pop_front();
  stride_ = 1;
  return best;
}

}  // namespace sterna::cli
