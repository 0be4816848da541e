#pragma once

// The one header with an OpenCV type in it; needs opencv_core alone. Not used by the library.

#include <sterna/quant/error.h>
#include <sterna/vision/image.h>

#include <opencv2/core/mat.hpp>
#include <string>

namespace sterna::vision {

/// The pixels of a cv::Mat without a copy: 1 (grey), 3 or 4 channels of 8 or 16 bits, in OpenCV's
/// order (BGR, BGRA) unless `rgb`. The Mat must outlive the view. Throws sterna::Error for other
/// types.
inline ImageView view(const cv::Mat& m, bool rgb = false) {
  const int channels = m.channels();
  if (m.dims != 2 || m.empty() || (m.depth() != CV_8U && m.depth() != CV_16U) ||
      (channels != 1 && channels != 3 && channels != 4)) {
    throw Error(
        "cv::Mat: expected a picture of 1, 3 or 4 channels of 8 or 16 unsigned bits, found "
        "type " +
        std::to_string(m.type()) + ", " + std::to_string(m.dims) + " dimensions, " +
        std::to_string(m.total()) + " pixels");
  }
  const PixelFormat format = channels == 1   ? PixelFormat::gray
                             : channels == 3 ? (rgb ? PixelFormat::rgb : PixelFormat::bgr)
                                             : (rgb ? PixelFormat::rgba : PixelFormat::bgra);
  return {m.data, static_cast<size_t>(m.cols), static_cast<size_t>(m.rows), m.step[0],
          format, m.depth() == CV_8U ? 8 : 16};
}

}  // namespace sterna::vision
