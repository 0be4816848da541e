#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/isa.h>
#include <sterna/vision/image.h>
#include <sterna/vision/resize.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace sterna::vision {

/// Sides of a picture, in pixels.
struct Sides {
  size_t width = 0, height = 0;
  bool operator==(const Sides&) const = default;
};

/// What a preprocessor_config.json says: how a picture of any size becomes what a tower reads.
struct ImageProcessorSettings {
  /// Whose arithmetic. pillow: transformers' PIL backend, before 5.0 its slow processors.
  /// torchvision: its torchvision backend, bytes resized (V-JEPA 2's video processor, which has no
  /// other). torchvision_float: floats resized, after the rescaling (DINOv3's, likewise). timm: as
  /// pillow, but cropped as torchvision crops pictures of PIL.
  enum class Backend { pillow, torchvision, torchvision_float, timm };
  enum class Resize {
    none,
    exact,          // to `size`, the aspect not kept
    shortest_edge,  // short side to `shortest`; the long one to at most `longest`, unless that is 0
    patches,        // NaFlex: multiples of `patch`, at most `most_patches` of them, the aspect kept
  };

  Backend backend = Backend::pillow;
  Resize resize = Resize::exact;
  Sides size{224, 224};
  size_t shortest = 0, longest = 0;
  size_t patch = 16, most_patches = 256;
  Filter filter = Filter::bilinear;
  std::optional<Sides> crop = {};  // the middle; what is smaller gets a black border
  bool rescale = true;
  double rescale_factor = 1.0 / 255.0;
  bool normalise = true;
  std::array<double, 3> mean{0.5, 0.5, 0.5}, std{0.5, 0.5, 0.5};
};

/// transformers' image processors. Const after construction, shared by threads, each with a
/// Workspace of its own.
///
/// Bytes behind resize and crop are Pillow's, or for Backend::torchvision PyTorch's, bit for bit;
/// floats are those of the reference bit for bit too. For Backend::torchvision_float they lie
/// within 2^-20 of the largest (value - mean) / std: PyTorch's order of float sums is its own.
/// Pictures are RGB8 or taken as to_rgb8() takes them; no alpha and no palette is left.
class ImageProcessor {
 public:
  /// Throws sterna::Error for a size of zero, means that aren't finite, or a deviation that is not
  /// above 0.
  explicit ImageProcessor(const ImageProcessorSettings& settings);

  const ImageProcessorSettings& settings() const { return settings_; }

  /// Sides of what becomes of a picture. Throws sterna::Error where a side comes out as 0 or above
  /// 16384.
  Sides sides(Sides picture) const;

  /// out [3, height, width] of sides(): planes of red, green and blue. Allocates nothing once
  /// `workspace` is warm; the same on every ISA and any number of threads. Throws sterna::Error for
  /// an impossible view, or another size of `out`.
  void forward(const ImageView& picture, std::span<float> out, nn::Workspace& workspace,
               const nn::Executor* executor = nullptr, quant::Isa isa = quant::best_isa()) const;

  /// out [height, width, 3]: the bytes behind resize and crop. Not for Backend::torchvision_float.
  void pixels(const ImageView& picture, std::span<uint8_t> out, nn::Workspace& workspace,
              const nn::Executor* executor = nullptr, quant::Isa isa = quant::best_isa()) const;

 private:
  Sides resized(Sides picture) const;
  void forward_float(const ImageView& picture, Sides to, std::span<float> out,
                     nn::Workspace& workspace, const nn::Executor* executor) const;

  ImageProcessorSettings settings_;
  std::array<std::array<float, 256>, 3> value_;  // [channel, byte]: what a byte becomes
};

}  // namespace sterna::vision
