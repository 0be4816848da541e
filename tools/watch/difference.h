#pragma once

#include <sterna/vision/image.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace sterna::cli {

/// Tells whether a picture still shows what the last encoded one showed, for a small part of what
/// encoding costs. The picture is divided into 16 x 16 blocks; of each, the mean of some hundred
/// pixels per channel is compared, so that sensor noise averages out (a level of noise 3 leaves
/// about 0.2) while anything that covers a few percent of a block shows. Compared with the last
/// *encoded* picture, so slow changes add up.
class PixelDifference {
 public:
  /// `levels`: how far a block's mean may move, in 1/255; 0 lets only equal means pass.
  explicit PixelDifference(double levels) : levels_(levels) {}

  /// Whether `picture` differs from the last one accepted, or has another size or format. The
  /// picture then becomes what later ones are compared with. 8 or 16 bits.
  bool changed(const vision::ImageView& picture);

 private:
  static constexpr size_t kBlocks = 16;
  using Signature = std::array<float, kBlocks * kBlocks * 3>;
  static void sign(const vision::ImageView& picture, Signature& out);

  double levels_;
  bool any_ = false;
  size_t width_ = 0, height_ = 0;
  vision::PixelFormat format_ = vision::PixelFormat::rgb;
  Signature last_{}, next_{};
};

}  // namespace sterna::cli
