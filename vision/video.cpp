#include <sterna/quant/error.h>
#include <sterna/vision/video.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "codec.h"
#include "module.h"

namespace sterna::vision {

struct Video::Handle {
  const SternaModule* module = nullptr;
  void* video = nullptr;
  ~Handle() {
    if (video != nullptr) module->video_close(video);
  }
};

Video::Video(const std::string& source) : handle_(std::make_unique<Handle>()), source_(source) {
  constexpr std::string_view kCamera = "camera:";
  int camera = -1;
  if (source.starts_with(kCamera)) {
    const char* end = source.data() + source.size();
    const auto [stop, error] = std::from_chars(source.data() + kCamera.size(), end, camera);
    if (error != std::errc() || stop != end || camera < 0) {
      throw Error(source + ": expected a camera number after \"camera:\"");
    }
  } else if (source.find("://") == source.npos) {
    // OpenCV only says that it could not open; say why where that is easy to know.
    std::error_code ignored;
    if (!std::filesystem::exists(source, ignored)) {
      throw Error(source + ": expected a video, found no such file");
    }
    if (std::filesystem::is_directory(source, ignored)) {
      throw Error(source + ": expected a video, found a directory");
    }
  }
  try {
    handle_->module = &opencv_module();
  } catch (const Fault& fault) {
    throw Error(source + ": " + fault.what());
  }
  SternaVideoInfo info{};
  char message[kSternaModuleMessage] = "";
  handle_->video =
      handle_->module->video_open(camera < 0 ? source.c_str() : "", camera, &info, message);
  if (handle_->video == nullptr) throw Error(source + ": " + message);
  info_ = {static_cast<size_t>(info.width), static_cast<size_t>(info.height), info.fps,
           info.frames};
}

Video::~Video() = default;
Video::Video(Video&&) noexcept = default;
Video& Video::operator=(Video&&) noexcept = default;

std::optional<Video::Frame> Video::read(bool decode) {
  SternaVideoFrame frame{};
  char message[kSternaModuleMessage] = "";
  if (handle_->module->video_read(handle_->video, decode ? 1 : 0, &frame, message) == 0) {
    if (message[0] == '\0') return std::nullopt;
    throw Error(source_ + ": frame " + std::to_string(index_++) + ": " + message);
  }
  // Containers without times, and cameras, report zero: then frames are evenly spaced.
  const double spaced = info_.fps > 0 ? static_cast<double>(index_) / info_.fps : seconds_;
  const bool told = frame.seconds > 0 || index_ == 0;
  seconds_ = std::max(seconds_, told ? std::max(frame.seconds, 0.0) : spaced);
  return Frame{{frame.bgr, static_cast<size_t>(frame.width), static_cast<size_t>(frame.height),
                static_cast<size_t>(frame.stride), PixelFormat::bgr, 8},
               seconds_,
               index_++};
}

}  // namespace sterna::vision
