#pragma once

// The C interface between the library and libsterna-opencv.so, which is loaded when a rarer
// picture or a video is opened: OpenCV's codecs drag in over a hundred shared libraries and 50 ms.
// Nothing but plain data crosses it; exceptions stay on their side. Private to this build: both
// sides check kModuleVersion.

#include <stddef.h>
#include <stdint.h>

extern "C" {

enum { kSternaModuleVersion = 1, kSternaModuleMessage = 256 };

/// Picture formats the module decodes.
enum SternaModuleFormat { kSternaTiff = 0, kSternaOther = 1 };

/// Where a decoded picture goes: `allocate` returns width * height * 3 bytes for packed RGB8, or
/// null if that size is refused.
struct SternaPictureSink {
  void* context;
  uint8_t* (*allocate)(void* context, uint64_t width, uint64_t height);
  uint64_t max_pixels;
};

struct SternaVideoInfo {
  uint64_t width, height;
  double fps;     // 0: unknown
  double frames;  // 0: unknown or endless
};

/// The module's own memory, valid until the next call on that video.
struct SternaVideoFrame {
  const uint8_t* bgr;
  uint64_t width, height, stride;
  double seconds;  // since the beginning; negative: unknown
};

/// Every function that can fail returns 0 and writes one line to `message`
/// [kSternaModuleMessage].
struct SternaModule {
  int version;
  int (*decode)(const uint8_t* bytes, size_t size, int format, const SternaPictureSink* sink,
                char* message);
  /// A file, a URL, or (source empty) camera number `camera`.
  void* (*video_open)(const char* source, int camera, SternaVideoInfo* info, char* message);
  /// 1: a frame; 0: the end, or with a message an error. `decode` 0 steps over the frame.
  int (*video_read)(void* video, int decode, SternaVideoFrame* frame, char* message);
  void (*video_close)(void* video);
};

/// The module's one exported symbol.
const SternaModule* sterna_opencv_module(void);
}
