#pragma once

#include <sterna/vision/image.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>

namespace sterna::cli {

/// What is known of a stream's frames, in bounded memory: all of the newest, for a change is found
/// when frames after it have come already, and of those before them every second, fourth, ... one.
/// Frames are numbered as the gate counts; those that follow each other with an equal value are
/// one stretch.
template <class T>
class History {
 public:
  struct Stretch {
    size_t first, last;
    T value;
    bool within(size_t begin, size_t end) const { return first < end && last >= begin; }
  };

  /// At most `capacity` stretches (4 or more) are kept, a quarter of them the newest.
  explicit History(size_t capacity) : capacity_(capacity) {}

  /// Of the frame after the last.
  void add(size_t number, const T& value) {
    if (!newest_.empty() && newest_.back().value == value) {
      newest_.back().last = number;
      return;
    }
    newest_.push_back({number, number, value});
    if (newest_.size() > capacity_ / 4) grow_old();
  }

  /// The stretch nearest to the frame `number` of those in [begin, end), of the others if there is
  /// none. Null if there is none at all.
  const Stretch* nearest(size_t begin, size_t end, size_t number) const {
    const Stretch* best = nullptr;
    std::pair<bool, size_t> least;
    for (const std::deque<Stretch>* part : {&old_, &newest_}) {
      for (const Stretch& stretch : *part) {
        const size_t distance = number < stretch.first  ? stretch.first - number
                                : number > stretch.last ? number - stretch.last
                                                        : 0;
        const std::pair<bool, size_t> away(!stretch.within(begin, end), distance);
        if (best == nullptr || away < least) {
          best = &stretch;
          least = away;
        }
        if (stretch.first >= end) return best;  // all others are farther away
      }
    }
    return best;
  }

  /// Forgets what ended before the frame `number`.
  void forget(size_t number) {
    for (std::deque<Stretch>* part : {&old_, &newest_}) {
      while (!part->empty() && part->front().last < number) part->pop_front();
    }
  }

  size_t size() const { return old_.size() + newest_.size(); }

 private:
  void grow_old() {
    if (old_.empty()) {  // what was thinned is forgotten: this is another scene
      stride_ = 1;
      skipped_ = 0;
    }
    if (++skipped_ >= stride_) {
      skipped_ = 0;
      old_.push_back(std::move(newest_.front()));
    }
    newest_.pop_front();
    if (old_.size() <= capacity_ - capacity_ / 4) return;
    std::deque<Stretch> half;
    for (size_t i = 0; i < old_.size(); i += 2) half.push_back(std::move(old_[i]));
    old_ = std::move(half);
    stride_ *= 2;
  }

  size_t capacity_;
  size_t stride_ = 1, skipped_ = 0;
  std::deque<Stretch> old_, newest_;
};

/// Remembers frames of a stream until their segments have ended, so that each segment can name, and
/// show, one in its middle.
class Keyframes {
 public:
  /// How many frames are remembered, and how many thumbnails: 4 or more each. A segment may have no
  /// frame of its own only if more than a quarter of `frames` came after it, and no thumbnail only
  /// if more than a quarter of `thumbnails` did. Which frames are named does not depend on the
  /// thumbnails.
  Keyframes(size_t frames, size_t thumbnails) : indices_(frames), thumbnails_(thumbnails) {}

  using Thumbnail = std::shared_ptr<const vision::Image>;
  struct Frame {
    size_t number = 0;    // as the gate counts
    uint64_t index = 0;   // as the source counts
    Thumbnail thumbnail;  // what was on screen then; may be null
  };
  /// Frames come in order, none left out; those that look the same share their thumbnail.
  void add(const Frame& frame);
  /// The frame nearest to the middle of [first, first + count), and forgets all before its end. The
  /// thumbnail is of that frame, else of the nearest within that range, else null.
  Frame take(size_t first, size_t count);

 private:
  History<uint64_t> indices_;
  History<Thumbnail> thumbnails_;
};

}  // namespace sterna::cli
