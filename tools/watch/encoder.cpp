#include "watch/encoder.h"

#include <sterna/nn/unit.h>

#include <utility>

namespace sterna::cli {

FrameEncoder::FrameEncoder(size_t dim, const EmbedPicture& embed, const ClipTower& clips)
    : dim_(dim), embed_(embed), clips_(clips) {
  if (clips.shape.frames == 1) return;
  window_.emplace(clips.shape);
  picked_.resize(clips.shape.frames);
}

FrameEncoder::Result FrameEncoder::encode(const vision::ImageView& picture, double seconds,
                                          bool same, std::span<float> out) {
  Result result;
  if (!window_) {
    if (!same) {
      embed_(picture, out);
      result = {true, true};
    }
    return result;
  }
  SharedShot shot = same ? window_->newest() : nullptr;
  if (!shot) {
    const auto fresh = std::make_shared<Shot>();
    if (clips_.embed) {
      clips_.prepare(picture, *fresh);
    } else {
      fresh->values.resize(dim_);
      embed_(picture, fresh->values);
      result.passed = true;
    }
    // Frames of two sizes make no clip: the source has changed.
    if (const SharedShot before = window_->newest(); before && before->sides != fresh->sides)
      window_->clear();
    shot = fresh;
  }
  window_->add(seconds, std::move(shot));
  window_->pick(picked_);
  if (picked_ == last_) return result;
  last_.clear();  // unless it succeeds
  if (clips_.embed) {
    clips_.embed(picked_, out);
    result.passed = true;
  } else {
    average(out);
  }
  last_ = picked_;
  result.moved = true;
  return result;
}

void FrameEncoder::average(std::span<float> out) const {
  // Of unit length in the end, so the sum will do for the mean.
  std::vector<double> sum(dim_);
  for (const SharedShot& shot : picked_) {
    for (size_t i = 0; i < dim_; ++i) sum[i] += static_cast<double>(shot->values[i]);
  }
  for (size_t i = 0; i < dim_; ++i) out[i] = static_cast<float>(sum[i]);
  nn::l2_normalize(out.data(), dim_);
}

}  // namespace sterna::cli
