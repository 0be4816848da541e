#include "watch/clip.h"

#include <sterna/quant/error.h>

#include <algorithm>
#include <string>
#include <utility>

namespace sterna::cli {

ClipWindow::ClipWindow(const ClipShape& shape) : shape_(shape) {
  if (shape.seconds > 0 && shape.frames > 0) return;
  throw Error("clip: expected frames over more than 0 s, found " + std::to_string(shape.frames) +
              " over " + std::to_string(shape.seconds) + " s");
}

double ClipWindow::slack() const { return std::min(1e-3, step() / 4); }

void ClipWindow::add(double seconds, SharedShot shot) {
  if (!frames_.empty()) seconds = std::max(seconds, frames_.back().seconds);
  const double dense = step() / static_cast<double>(kDense);
  if (frames_.size() >= 2 && seconds - frames_[frames_.size() - 2].seconds < dense)
    frames_.pop_back();  // its neighbours are as good
  frames_.push_back({seconds, std::move(shot)});
  // The first instant that any clip from here on asks for: of frames before it one is needed.
  const double first = seconds - step() * static_cast<double>(shape_.frames - 1) + slack();
  while (frames_.size() >= 2 && frames_[1].seconds <= first) frames_.pop_front();
}

void ClipWindow::pick(std::span<SharedShot> out) const {
  if (frames_.empty()) throw Error("clip: expected frames, found none");
  const double now = frames_.back().seconds;
  size_t at = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    const double instant = now - step() * static_cast<double>(out.size() - 1 - i) + slack();
    while (at + 1 < frames_.size() && frames_[at + 1].seconds <= instant) ++at;
    out[i] = frames_[at].shot;
  }
}

}  // namespace sterna::cli
