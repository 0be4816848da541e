#pragma once

#include <sterna/vision/image.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "watch/clip.h"

namespace sterna::cli {

/// The embedding [dim] of a picture: the costly part.
using EmbedPicture = std::function<void(const vision::ImageView&, std::span<float>)>;

/// How frames are embedded together. Without `embed` a clip's embedding is the direction of the
/// mean of its frames', for which the tower sees each frame once, not once a clip.
struct ClipTower {
  ClipShape shape;
  /// What a tower that reads clips keeps of a frame, and the embedding [dim] of shape.frames of
  /// these, oldest first.
  std::function<void(const vision::ImageView&, Shot&)> prepare;
  std::function<void(std::span<const SharedShot>, std::span<float>)> embed;
};

/// The embeddings of a stream's frames, each by itself or of the clip that ends with it.
class FrameEncoder {
 public:
  /// Of each frame.
  struct Result {
    bool passed = false;  // the tower ran
    bool moved = false;   // the embedding is another one than the frame's before
  };

  /// `embed` and `clips` must outlive this.
  FrameEncoder(size_t dim, const EmbedPicture& embed, const ClipTower& clips);

  /// The frame at `seconds`, never before the one that came last; `same`: it shows what that one
  /// did, and was encoded. out [dim] holds the embedding of the frame before and is left as it is
  /// unless it moves. What the model throws goes through: the frame then counts for no clip, or for
  /// later ones if the clip itself was at fault.
  Result encode(const vision::ImageView& picture, double seconds, bool same, std::span<float> out);

 private:
  void average(std::span<float> out) const;

  size_t dim_;
  const EmbedPicture& embed_;
  const ClipTower& clips_;
  std::optional<ClipWindow> window_;        // of clips of more than a frame
  std::vector<SharedShot> picked_, last_;  // for this clip, and the one embedded last
};

}  // namespace sterna::cli
