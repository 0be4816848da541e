// libsterna-opencv.so: see module_abi.h.

#include <dlfcn.h>

#include <algorithm>
#include <climits>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <mutex>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/videoio.hpp>
#include <opencv2/videoio/registry.hpp>
#include <stdexcept>
#include <streambuf>
#include <string>
#include <utility>

#include "../module_abi.h"
#include "tiff.h"

namespace {

/// Copies one line of `text`.
void report(char* message, const char* text) {
  std::snprintf(message, kSternaModuleMessage, "%s", text);
  for (char* c = message; *c != '\0'; ++c) {
    if (*c == '\n' || *c == '\r') *c = ' ';
  }
}

/// Runs f; an exception becomes its message and 0.
template <class F>
auto guarded(char* message, F&& f) noexcept -> decltype(f()) {
  message[0] = '\0';
  try {
    return f();
  } catch (const cv::Exception& e) {
    report(message, e.err.c_str());
  } catch (const std::bad_alloc&) {
    report(message, "not enough memory");
  } catch (const std::exception& e) {
    report(message, e.what());
  } catch (...) {
    report(message, "unknown failure");
  }
  return {};
}

/// cv::imdecode tells std::cerr about every file it cannot read, and has no switch for it. This
/// buffer stands in front of cerr's own from the first decode on and drops what the decoding
/// thread writes meanwhile; everything else passes through unchanged. Never destroyed.
class QuietErrors : public std::streambuf {
 public:
  static thread_local bool quiet;
  static void install() {
    static std::once_flag once;
    std::call_once(once, [] { std::cerr.rdbuf(new QuietErrors(std::cerr.rdbuf())); });
  }

 protected:
  explicit QuietErrors(std::streambuf* to) : to_(to) {}
  int_type overflow(int_type c) override {
    if (quiet || traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
    return to_->sputc(traits_type::to_char_type(c));
  }
  std::streamsize xsputn(const char* text, std::streamsize n) override {
    return quiet ? n : to_->sputn(text, n);
  }
  int sync() override { return to_->pubsync(); }

 private:
  std::streambuf* to_;
};
thread_local bool QuietErrors::quiet = false;

cv::Mat decode_quietly(const cv::Mat& data) {
  QuietErrors::install();
  struct Scope {
    Scope() { QuietErrors::quiet = true; }
    ~Scope() { QuietErrors::quiet = false; }
  } scope;
  return cv::imdecode(data, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
}

/// JPEG 2000 and PNM: 8 bits, colour, as stored.
void decode_other(const uint8_t* bytes, size_t size, const SternaPictureSink& sink) {
  if (size > INT_MAX) throw std::runtime_error("expected at most 2 GiB");
  const cv::Mat data(1, static_cast<int>(size), CV_8UC1, const_cast<uint8_t*>(bytes));
  const cv::Mat bgr = decode_quietly(data);
  if (bgr.empty()) throw std::runtime_error("truncated or broken: OpenCV cannot decode it");
  if (bgr.type() != CV_8UC3) throw std::runtime_error("expected 8-bit colour from OpenCV");
  uint8_t* out =
      sink.allocate(sink.context, static_cast<uint64_t>(bgr.cols), static_cast<uint64_t>(bgr.rows));
  if (out == nullptr) return;
  for (int y = 0; y < bgr.rows; ++y) {
    const uint8_t* in = bgr.ptr(y);
    for (int x = 0; x < bgr.cols; ++x, in += 3) {
      *out++ = in[2];
      *out++ = in[1];
      *out++ = in[0];
    }
  }
}

int decode(const uint8_t* bytes, size_t size, int format, const SternaPictureSink* sink,
           char* message) {
  return guarded(message, [&] {
    if (format == kSternaTiff) {
      sterna::opencv::decode_tiff(bytes, size, *sink);
    } else {
      decode_other(bytes, size, *sink);
    }
    return 1;
  });
}

/// The layout of a video's decoded pictures, as sws_scale() below is given them.
struct Layout {
  int height = 0, stride = 0;
  bool changed = false;
};
thread_local Layout* converting = nullptr;  // of the video whose frame this thread retrieves

struct Video {
  cv::VideoCapture capture;
  cv::Mat frame;
  Layout layout;
  bool grabbed = true;  // video_open() has read ahead by one
};

/// FFmpeg prints its complaints to stderr. OpenCV sets their level anew whenever it opens
/// something, but leaves the callback alone. The symbol is looked up among this module's own
/// libraries, since OpenCV does not pass the call on.
void silence_ffmpeg() {
  static std::once_flag once;
  std::call_once(once, [] {
    Dl_info self{};
    if (dladdr(reinterpret_cast<void*>(&silence_ffmpeg), &self) == 0) return;
    void* handle = dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (handle == nullptr) return;
    using Callback = void (*)(void*, int, const char*, va_list);
    using SetCallback = void (*)(Callback);
    if (auto set = reinterpret_cast<SetCallback>(dlsym(handle, "av_log_set_callback"))) {
      set([](void*, int, const char*, va_list) {});
    }
    dlclose(handle);
  });
}

/// `wanted` where OpenCV has it. Left to choose, OpenCV hands what FFmpeg refuses to GStreamer,
/// which can't open it either but prints to stderr, and asks GStreamer for a camera before V4L2.
int backend(const std::vector<cv::VideoCaptureAPIs>& all, cv::VideoCaptureAPIs wanted) {
  return std::find(all.begin(), all.end(), wanted) != all.end() ? wanted : cv::CAP_ANY;
}

void* video_open(const char* source, int camera, SternaVideoInfo* info, char* message) {
  return guarded(message, [&]() -> void* {
    auto video = std::make_unique<Video>();
    silence_ffmpeg();
    using namespace cv::videoio_registry;
    const bool opened =
        source[0] != '\0'
            ? video->capture.open(source, backend(getStreamBackends(), cv::CAP_FFMPEG))
            : video->capture.open(camera, backend(getCameraBackends(), cv::CAP_V4L2));
    // FFmpeg opens a text file by the name of x.jpg; only a frame proves a video.
    if (!opened || !video->capture.grab()) {
      throw std::runtime_error("expected a video that OpenCV can open, found none");
    }
    const auto property = [&](int id) {
      const double v = video->capture.get(id);
      return v > 0 && v < 1e15 ? v : 0.0;
    };
    info->width = static_cast<uint64_t>(property(cv::CAP_PROP_FRAME_WIDTH));
    info->height = static_cast<uint64_t>(property(cv::CAP_PROP_FRAME_HEIGHT));
    info->fps = property(cv::CAP_PROP_FPS);
    info->frames = property(cv::CAP_PROP_FRAME_COUNT);
    return video.release();
  });
}

int video_read(void* handle, int decode_frame, SternaVideoFrame* frame, char* message) {
  return guarded(message, [&] {
    auto* video = static_cast<Video*>(handle);
    *frame = {};
    if (!std::exchange(video->grabbed, false) && !video->capture.grab()) return 0;
    frame->seconds = video->capture.get(cv::CAP_PROP_POS_MSEC) / 1000.0;
    if (decode_frame == 0) return 1;
    converting = &video->layout;
    const bool retrieved = video->capture.retrieve(video->frame);
    converting = nullptr;
    if (std::exchange(video->layout.changed, false)) {
      throw std::runtime_error("expected pictures of " + std::to_string(video->frame.cols) + "x" +
                               std::to_string(video->frame.rows) +
                               " as before, found one of another size");
    }
    if (!retrieved || video->frame.empty()) {
      throw std::runtime_error("a frame that does not decode");
    }
    const cv::Mat& m = video->frame;
    if (m.type() != CV_8UC3) throw std::runtime_error("expected 8-bit BGR frames from OpenCV");
    frame->bgr = m.data;
    frame->width = static_cast<uint64_t>(m.cols);
    frame->height = static_cast<uint64_t>(m.rows);
    frame->stride = m.step[0];
    return 1;
  });
}

void video_close(void* handle) { delete static_cast<Video*>(handle); }

}  // namespace

/// Stands before FFmpeg's own in the scope of this module's libraries. OpenCV (4.6,
/// CvCapture_FFMPEG::retrieveFrame) converts every picture as if it had the size of the first: one
/// that is larger is dropped and the last one shown again, one that is smaller is read beyond its
/// rows. Such pictures are not converted here, and video_read() says why.
extern "C" __attribute__((visibility("default"))) int sws_scale(void* context,
                                                                const uint8_t* const source[],
                                                                const int source_stride[], int y,
                                                                int height, uint8_t* const out[],
                                                                const int out_stride[]) {
  using Scale =
      int (*)(void*, const uint8_t* const[], const int[], int, int, uint8_t* const[], const int[]);
  static const auto scale = reinterpret_cast<Scale>(dlsym(RTLD_NEXT, "sws_scale"));
  if (scale == nullptr) return -1;
  if (Layout* layout = converting) {
    if (layout->height == 0) {
      layout->height = height;
      layout->stride = source_stride[0];
    }
    layout->changed = height != layout->height || source_stride[0] != layout->stride;
    if (layout->changed) return -1;
  }
  return scale(context, source, source_stride, y, height, out, out_stride);
}

extern "C" __attribute__((visibility("default"))) const SternaModule* sterna_opencv_module(void) {
  static const SternaModule module = [] {
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    return SternaModule{kSternaModuleVersion, decode, video_open, video_read, video_close};
  }();
  return &module;
}
