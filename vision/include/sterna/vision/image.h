#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sterna::vision {

/// Order and meaning of the channels of a pixel in memory.
enum class PixelFormat { rgb, bgr, rgba, bgra, gray };

/// Someone else's pixels: rows `stride` bytes apart, 8 or 16 bits a channel. Non-owning.
struct ImageView {
  const void* data = nullptr;
  size_t width = 0;
  size_t height = 0;
  size_t stride = 0;  // bytes from one row to the next
  PixelFormat format = PixelFormat::rgb;
  int bits = 8;  // 8, or 16 in the machine's byte order
};

/// Owned 8-bit RGB pixels, rows packed.
struct Image {
  size_t width = 0;
  size_t height = 0;
  std::vector<uint8_t> rgb;  // height * width * 3

  ImageView view() const { return {rgb.data(), width, height, width * 3, PixelFormat::rgb, 8}; }
};

}  // namespace sterna::vision
