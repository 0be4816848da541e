#include "beam_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace sterna::decoder {

BeamSearch::BeamSearch(size_t beams, size_t length, nn::Workspace& workspace)
    : beams_(beams), length_(length), grown_(workspace.array<Grown>(beams)) {
  for (std::span<Text>* list : {&live_, &next_, &done_}) {
    *list = workspace.array<Text>(beams);
    for (Text& text : *list) text.rows = workspace.array<uint32_t>(length);
  }
}

// The most probable continuations of all live texts, best first, in grown_.
size_t BeamSearch::best(nn::Mat<const float> p) {
  size_t found = 0;
  for (size_t i = 0; i < p.rows; ++i) {
    const float before = live_[i].sum;
    for (size_t row = pieces_ == 0 ? kEnd + 1 : 0; row < p.cols; ++row) {
      const float share = p.row(i)[row];
      if (!(share > 0)) continue;
      // log x <= x - 1: few are worth a logarithm.
      const bool full = found == grown_.size();
      if (full && before + (share - 1) < grown_[found - 1].sum) continue;
      const float sum = before + std::log(share);
      if (full && !(sum > grown_[found - 1].sum)) continue;
      size_t at = full ? found - 1 : found++;
      for (; at > 0 && sum > grown_[at - 1].sum; --at) grown_[at] = grown_[at - 1];
      grown_[at] = {i, static_cast<uint32_t>(row), sum};
    }
  }
  return found;
}

void BeamSearch::finish(const Text& text, float sum, size_t terms) {
  if (dones_ == beams_) return;
  Text& done = done_[dones_++];
  std::copy_n(text.rows.begin(), pieces_, done.rows.begin());
  done.pieces = pieces_;
  done.score = sum / static_cast<float>(terms);
}

void BeamSearch::step(nn::Mat<const float> p) {
  const size_t found = best(p);
  size_t next = 0;
  for (const Grown& grown : grown_.first(found)) {
    const Text& parent = live_[grown.parent];
    if (grown.row == kEnd) {
      finish(parent, grown.sum, pieces_ + 1);
      continue;
    }
    Text& text = next_[next++];
    std::copy_n(parent.rows.begin(), pieces_, text.rows.begin());
    text.rows[pieces_] = grown.row;
    text.pieces = pieces_ + 1;
    text.parent = grown.parent;
    text.sum = grown.sum;
  }
  std::swap(live_, next_);
  lives_ = next;
  ++pieces_;
}

std::span<const BeamSearch::Text> BeamSearch::result() {
  if (dones_ == 0) {
    for (size_t i = 0; i < lives_; ++i) finish(live_[i], live_[i].sum, pieces_);
  }
  const std::span<Text> texts = done_.first(dones_);
  // By insertion: stable, and without the memory that std::stable_sort asks for.
  for (size_t i = 1; i < texts.size(); ++i) {
    for (size_t k = i; k > 0 && texts[k].score > texts[k - 1].score; --k) {
      std::swap(texts[k], texts[k - 1]);
    }
  }
  return texts;
}

}  // namespace sterna::decoder
