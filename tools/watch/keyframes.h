#pragma once

#include <sterna/vision/image.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

namespace sterna::cli {

/// Remembers frames of a stream evenly, in bounded memory, until their segments have ended, so that
/// each segment can name, and show, one in its middle.
class Keyframes {
 public:
  /// At most `capacity` frames (2 or more) are kept: of a long segment every second one goes.
  explicit Keyframes(size_t capacity) : capacity_(capacity) {}

  struct Frame {
    size_t number = 0;   // as the gate counts
    uint64_t index = 0;  // as the source counts
    std::shared_ptr<const vision::Image> thumbnail;
  };
  void add(Frame frame);
  /// The frame nearest to the middle of [first, first + count), and forgets all before its end.
  Frame take(size_t first, size_t count);

 private:
  size_t capacity_;
  size_t stride_ = 1, skipped_ = 0;
  std::deque<Frame> frames_;
};

}  // namespace sterna::cli
