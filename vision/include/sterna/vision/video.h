#pragma once

#include <sterna/vision/image.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace sterna::vision {

/// What a video says of itself before it is read.
struct VideoInfo {
  size_t width = 0;
  size_t height = 0;
  double fps = 0;     // 0: unknown
  double frames = 0;  // an estimate; 0: unknown or endless
};

/// Frames of a video file, a URL (rtsp://, http://) or a camera, decoded by OpenCV's videoio in a
/// module that is loaded on first use. One thread at a time. FFmpeg's messages are switched off for
/// the process when the first video is opened: faults arrive as exceptions.
class Video {
 public:
  /// One frame, as it lies in the decoder: valid until the next call on this video.
  struct Frame {
    ImageView pixels;    // BGR, 8 bits; empty where only stepped over
    double seconds = 0;  // presentation time from the beginning, never decreasing
    uint64_t index = 0;  // from 0
  };

  /// `source`: a path, a URL, or "camera:N". Throws sterna::Error naming it.
  explicit Video(const std::string& source);
  ~Video();
  Video(Video&&) noexcept;
  Video& operator=(Video&&) noexcept;

  const VideoInfo& info() const { return info_; }

  /// The next frame; nullopt at the end. Throws sterna::Error if it does not decode.
  std::optional<Frame> next() { return read(true); }
  /// Steps over a frame: cheaper than next(), but codecs still decode what later frames need.
  std::optional<Frame> skip() { return read(false); }

 private:
  std::optional<Frame> read(bool decode);

  struct Handle;
  std::unique_ptr<Handle> handle_;
  std::string source_;
  VideoInfo info_;
  uint64_t index_ = 0;
  double seconds_ = 0;
};

}  // namespace sterna::vision
