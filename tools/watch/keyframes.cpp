#include "watch/keyframes.h"

namespace sterna::cli {

void Keyframes::add(const Frame& frame) {
  indices_.add(frame.number, frame.index);
  if (frame.thumbnail) thumbnails_.add(frame.number, frame.thumbnail);
}

Keyframes::Frame Keyframes::take(size_t first, size_t count) {
  const size_t end = first + count, middle = first + count / 2;
  Frame frame;
  if (const auto* index = indices_.nearest(first, end, middle)) {
    frame.number = index->first;
    frame.index = index->value;
  }
  const auto* shown = thumbnails_.nearest(first, end, frame.number);
  if (shown != nullptr && shown->within(first, end)) frame.thumbnail = shown->value;
  indices_.forget(end);
  thumbnails_.forget(end);
  return frame;
}

}  // namespace sterna::cli
