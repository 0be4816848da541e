#pragma once

#include <sterna/quant/error.h>
#include <sterna/vision/image.h>
#include <sterna/vision/video.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace sterna::cli {

/// A picture of a stream, as it lies in its source: valid until the next call on that.
struct SourceFrame {
  vision::ImageView pixels;
  double seconds = 0;
  uint64_t index = 0;  // in the source, counting the frames that were stepped over
};

/// A file that can't be read, where each frame is a file of its own.
class FileError : public Error {
 public:
  FileError(const std::string& name, const std::string& message) : Error(message), file(name) {}
  std::string file;
};

/// Where the pictures of `sterna watch` come from.
class FrameSource {
 public:
  virtual ~FrameSource() = default;
  /// The next picture to look at; nullopt at the end, or once `stop` says so. Throws Error for a
  /// picture that can't be read; what came before it stays good, and next() may be called again
  /// only if resumable() says so.
  virtual std::optional<SourceFrame> next() = 0;
  virtual bool resumable() const { return false; }
  /// The name of the file that the frame `index` is, if each is one of its own; else null.
  virtual const std::string* file(uint64_t /*index*/) const { return nullptr; }
  /// Pictures that were due but came too fast to be looked at.
  virtual uint64_t dropped() const { return 0; }
};

/// Asked often while a source waits: true ends it.
using StopAsked = std::function<bool()>;

/// A frame a day: at a lower rate times would say nothing.
constexpr double kLeastFps = 1.0 / 86400;

/// Which frames are due if `fps` of them are wanted each second.
class Sampler {
 public:
  /// fps = 0: all of them.
  explicit Sampler(double fps) : period_(fps > 0 ? 1 / fps : 0) {}
  /// Whether the frame at `seconds` is due, if frames come `step` apart: the one nearest to the
  /// due time is.
  bool due(double seconds, double step) const;
  void took(double seconds);

 private:
  double period_;
  bool started_ = false;
  double next_ = 0, last_ = 0;
};

/// A video file or URL, read as fast as it is looked at. A frame that does not decode is an Error,
/// and so is an end long before the length that the container tells.
class VideoSource : public FrameSource {
 public:
  VideoSource(const std::string& name, double fps, StopAsked stop);
  std::optional<SourceFrame> next() override;
  bool resumable() const override { return faults_ < kMostFaults; }

 private:
  void expect_whole();

  static constexpr size_t kMostFaults = 25;  // one after another: then it is given up

  std::string name_;
  vision::Video video_;
  Sampler sampler_;
  StopAsked stop_;
  double last_ = 0, step_ = 0;
  size_t faults_ = 0;
  bool first_ = true;
};

/// Pictures of files, `fps` of them a second. Those that can't be read are FileErrors.
class PictureSource : public FrameSource {
 public:
  PictureSource(std::vector<std::string> files, double fps, StopAsked stop);
  std::optional<SourceFrame> next() override;
  bool resumable() const override { return true; }
  const std::string* file(uint64_t index) const override { return &files_[index]; }

 private:
  std::vector<std::string> files_;
  double fps_;
  StopAsked stop_;
  size_t next_ = 0;
  vision::Image image_;
};

/// Frames without any header on a descriptor, as `ffmpeg -f rawvideo` writes them.
struct RawFormat {
  size_t width = 0, height = 0;
  vision::PixelFormat format = vision::PixelFormat::rgb;
  double fps = 30;  // what the stream has
  /// "640x480", "640x480:bgr24", "640x480:gray@25". Throws UsageError.
  static RawFormat parse(const std::string& text);
  size_t frame_bytes() const;
};

class RawSource : public FrameSource {
 public:
  /// `fd` is not closed.
  RawSource(int fd, const RawFormat& format, double fps, StopAsked stop);
  std::optional<SourceFrame> next() override;

 private:
  bool fill();

  int fd_;
  RawFormat format_;
  Sampler sampler_;
  StopAsked stop_;
  std::vector<std::byte> frame_;
  uint64_t index_ = 0;
};

}  // namespace sterna::cli
