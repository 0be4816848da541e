#pragma once

#include <sterna/vision/image.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "watch/source.h"

namespace sterna::cli {

/// Waits for the next picture of an open stream; it is valid until the next call. nullopt at the
/// end, Error for a fault; after either it is not called again.
using ReadPicture = std::function<std::optional<vision::ImageView>()>;

/// Opens a stream, or opens it anew. Throws Error if it is not there.
using OpenStream = std::function<ReadPicture()>;

/// A camera ("camera:N") or a URL.
OpenStream open_video(const std::string& name);

/// Frames without header on a descriptor, which is not closed. `stop` as RawSource's.
OpenStream open_raw(int fd, const RawFormat& format, StopAsked stop);

/// Frames that come when they come. A thread of its own keeps reading; what is looked at is always
/// the newest frame that was due: those before it that nobody took are dropped and counted, so that
/// a slow machine is late by one frame, however long it watches. A lost stream is opened anew, over
/// and over for `patience` seconds. Times are those of arrival.
class LiveSource : public FrameSource {
 public:
  struct Config {
    std::string name;      // for messages
    double fps = 8;        // looked at; 0: all
    double patience = 60;  // seconds without a frame after which a stream is given up
    bool endless = true;   // its end is a loss; else it is an end
    double retry = 0.5;    // seconds to the first attempt to open it anew; then longer, up to 5
  };
  /// Opens the stream once at once, so that one that never worked is an Error here. `notice` gets a
  /// line when the stream is lost or found, and for the 1st, 10th, 100th ... frame that is
  /// dropped; from the reading thread.
  LiveSource(const Config& config, const OpenStream& open, StopAsked stop,
             std::function<void(const std::string&)> notice);
  /// Waits for the reading thread, but not longer than a second: one that hangs in a dead
  /// connection is left behind.
  ~LiveSource() override;
  /// Throws Error once the stream is given up.
  std::optional<SourceFrame> next() override;
  uint64_t dropped() const override;

  struct Shared;  // with the reading thread

 private:
  std::shared_ptr<Shared> shared_;
  StopAsked stop_;
  vision::Image taken_;
};

/// Whether `name` is always one for LiveSource: "camera:N", rtsp://, rtmp://, udp://, srt://.
bool is_live(const std::string& name);

}  // namespace sterna::cli
