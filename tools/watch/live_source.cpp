#include "watch/live_source.h"

#include <sterna/quant/error.h>
#include <sterna/vision/resize.h>
#include <sterna/vision/video.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

namespace sterna::cli {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

/// Held by the reading thread too, which may outlive the source.
struct LiveSource::Shared {
  Config config;
  OpenStream open;
  std::function<void(const std::string&)> notice;

  std::mutex mutex;
  std::condition_variable changed;
  // Guarded by mutex:
  vision::Image newest;
  double seconds = 0;
  uint64_t index = 0;
  bool fresh = false;  // `newest` was not taken yet
  bool over = false;   // the reader has given up
  bool stop = false;   // the reader shall end
  std::string fault;   // why it gave up; empty: the stream has ended
  uint64_t dropped = 0;
};

namespace {

constexpr double kLongestRetry = 5;  // seconds

bool stopped(LiveSource::Shared& shared) {
  const std::lock_guard lock(shared.mutex);
  return shared.stop;
}

/// Waits, but not longer than until the reader shall end.
void pause(LiveSource::Shared& shared, double seconds) {
  std::unique_lock lock(shared.mutex);
  shared.changed.wait_for(lock, Seconds(seconds), [&] { return shared.stop; });
}

/// The reading thread.
class Reader {
 public:
  explicit Reader(LiveSource::Shared& shared)
      : shared_(shared), sampler_(shared.config.fps), start_(Clock::now()), heard_(start_) {}

  /// Reads until the stream is given up or the thread shall end; returns why it was given up.
  std::string run(ReadPicture read) {
    for (;;) {
      std::string fault = "the stream ended";
      try {
        while (!stopped(shared_)) {
          const auto picture = read();
          if (!picture) break;
          take(*picture);
        }
        if (!shared_.config.endless) return "";
      } catch (const std::exception& e) {
        fault = without_name(e.what());
      }
      if (!reopen(read, fault)) return fault;
    }
  }

 private:
  void take(const vision::ImageView& picture) {
    heard_ = Clock::now();
    const double seconds = Seconds(heard_ - start_).count();
    const uint64_t index = index_++;
    if (!sampler_.due(seconds, 0)) return;
    sampler_.took(seconds);
    image_.width = picture.width;
    image_.height = picture.height;
    image_.rgb.resize(picture.width * picture.height * 3);
    vision::to_rgb8(picture, image_.rgb.data(), picture.width * 3);
    uint64_t lost = 0;
    {
      const std::lock_guard lock(shared_.mutex);
      std::swap(shared_.newest, image_);
      shared_.seconds = seconds;
      shared_.index = index;
      if (std::exchange(shared_.fresh, true)) lost = ++shared_.dropped;
      shared_.changed.notify_all();
    }
    if (lost < tell_lost_) return;
    tell_lost_ *= 10;
    shared_.notice(shared_.config.name +
                   ": frames come faster than they are looked at: the newest is kept, " +
                   std::to_string(lost) + " dropped so far");
  }

  /// False if the stream stayed lost for as long as there was patience.
  bool reopen(ReadPicture& read, std::string& fault) {
    const auto patient = [&] {
      return !stopped(shared_) && Seconds(Clock::now() - heard_).count() < shared_.config.patience;
    };
    if (!patient()) return false;
    read = nullptr;  // a camera can be opened only once
    shared_.notice(shared_.config.name + ": lost (" + fault + "); trying to open it again");
    for (double wait = shared_.config.retry; patient(); wait = std::min(2 * wait, kLongestRetry)) {
      pause(shared_, wait);
      if (stopped(shared_)) return false;
      try {
        read = shared_.open();
        shared_.notice(shared_.config.name + ": found again");
        return true;
      } catch (const std::exception& e) {
        fault = without_name(e.what());
      }
    }
    return false;
  }

  /// Faults of a video begin with its name; so do the lines made of them here.
  std::string without_name(std::string_view fault) const {
    const std::string name = shared_.config.name + ": ";
    if (fault.starts_with(name)) fault.remove_prefix(name.size());
    return std::string(fault);
  }

  LiveSource::Shared& shared_;
  Sampler sampler_;
  Clock::time_point start_, heard_;  // when it began; when the last frame came
  uint64_t index_ = 0, tell_lost_ = 1;
  vision::Image image_;
};

}  // namespace

OpenStream open_video(const std::string& name) {
  return [name]() -> ReadPicture {
    const auto video = std::make_shared<vision::Video>(name);
    return [video]() -> std::optional<vision::ImageView> {
      const auto frame = video->next();
      if (!frame) return std::nullopt;
      return frame->pixels;
    };
  };
}

OpenStream open_raw(int fd, const RawFormat& format, StopAsked stop) {
  return [fd, format, stop = std::move(stop)]() -> ReadPicture {
    const auto source = std::make_shared<RawSource>(fd, format, 0, stop);
    return [source]() -> std::optional<vision::ImageView> {
      const auto frame = source->next();
      if (!frame) return std::nullopt;
      return frame->pixels;
    };
  };
}

LiveSource::LiveSource(const Config& config, const OpenStream& open, StopAsked stop,
                       std::function<void(const std::string&)> notice)
    : shared_(std::make_shared<Shared>()), stop_(std::move(stop)) {
  shared_->config = config;
  shared_->open = open;
  shared_->notice = std::move(notice);
  std::thread([shared = shared_, read = open()]() mutable {
    const std::string fault = Reader(*shared).run(std::move(read));
    const std::lock_guard lock(shared->mutex);
    if (!fault.empty()) shared->fault = shared->config.name + ": given up: " + fault;
    shared->over = true;
    shared->changed.notify_all();
  }).detach();
}

LiveSource::~LiveSource() {
  std::unique_lock lock(shared_->mutex);
  shared_->stop = true;
  shared_->changed.notify_all();
  shared_->changed.wait_for(lock, Seconds(1), [&] { return shared_->over; });
}

std::optional<SourceFrame> LiveSource::next() {
  Shared& shared = *shared_;
  std::unique_lock lock(shared.mutex);
  while (!shared.fresh && !shared.over && !stop_()) {
    shared.changed.wait_for(lock, Seconds(0.1), [&] { return shared.fresh || shared.over; });
  }
  if (stop_()) return std::nullopt;
  if (!shared.fresh) {
    if (shared.fault.empty()) return std::nullopt;
    throw Error(shared.fault);
  }
  std::swap(taken_, shared.newest);
  shared.fresh = false;
  return SourceFrame{taken_.view(), shared.seconds, shared.index};
}

uint64_t LiveSource::dropped() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->dropped;
}

bool is_live(const std::string& name) {
  for (const std::string_view prefix :
       {"camera:", "rtsp://", "rtsps://", "rtmp://", "udp://", "srt://"}) {
    if (name.starts_with(prefix)) return true;
  }
  return false;
}

}  // namespace sterna::cli
