#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/workspace.h>
#include <sterna/vision/image.h>
#include <sterna/vision/resize.h>

#include <cstddef>
#include <span>

namespace sterna::vision {

/// A picture whose bytes mean value[byte], resized in f32 to planes out [3, height, width]:
/// PyTorch's `interpolate(mode, antialias=True, align_corners=False)` of float32
/// (separable_upsample_generic_Nd_kernel_impl in ATen's UpSampleKernel.cpp): weights in f32, the
/// horizontal pass first, a sum in the order of the inputs. Filter::bilinear or bicubic; throws
/// sterna::Error for others. `rgb` is RGB8, as to_rgb8() makes it.
void resize_float(const ImageView& rgb, std::span<const float, 256> value, size_t width,
                  size_t height, Filter filter, std::span<float> out, nn::Workspace& workspace,
                  const nn::Executor* executor);

}  // namespace sterna::vision
