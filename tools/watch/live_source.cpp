#include <sterna/quant/error.h>
#include <sterna/vision/resize.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "watch/source.h"

namespace sterna::cli {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

/// Held by the reading thread too: one that hangs in a dead connection is left behind, not waited
/// for.
struct LiveSource::Shared {
  std::string name;
  double fps = 0, patience = 0;
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
  std::string fault;
  uint64_t dropped = 0;
};

namespace {

bool stopped(LiveSource::Shared& shared) {
  const std::lock_guard lock(shared.mutex);
  return shared.stop;
}

/// Waits, but not longer than until the reader shall end.
void pause(LiveSource::Shared& shared, double seconds) {
  std::unique_lock lock(shared.mutex);
  shared.changed.wait_for(lock, Seconds(seconds), [&] { return shared.stop; });
}

/// Reads one connection until it ends.
void read_frames(LiveSource::Shared& shared, vision::Video& video, Sampler& sampler,
                 Clock::time_point start, uint64_t& index, Clock::time_point& heard) {
  vision::Image image;
  while (!stopped(shared)) {
    const auto frame = video.next();
    if (!frame) return;
    heard = Clock::now();
    const double seconds = Seconds(heard - start).count();
    const uint64_t number = index++;
    if (!sampler.due(seconds, 0)) continue;
    sampler.took(seconds);
    image.width = frame->pixels.width;
    image.height = frame->pixels.height;
    image.rgb.resize(image.width * image.height * 3);
    vision::to_rgb8(frame->pixels, image.rgb.data(), image.width * 3);
    const std::lock_guard lock(shared.mutex);
    std::swap(shared.newest, image);
    shared.seconds = seconds;
    shared.index = number;
    shared.dropped += shared.fresh ? 1 : 0;
    shared.fresh = true;
    shared.changed.notify_all();
  }
}

void read_stream(const std::shared_ptr<LiveSource::Shared>& keep, vision::Video video) {
  LiveSource::Shared& shared = *keep;
  Sampler sampler(shared.fps);
  const auto start = Clock::now();
  uint64_t index = 0;
  auto heard = start;  // when the last frame came
  std::string fault = "the stream ended";
  while (!stopped(shared)) {
    try {
      read_frames(shared, video, sampler, start, index, heard);
    } catch (const Error& e) {
      fault = e.what();
    }
    double wait = 0.5;
    bool found = false, told = false;
    while (!found && !stopped(shared) && Seconds(Clock::now() - heard).count() < shared.patience) {
      if (!told) shared.notice(shared.name + ": lost (" + fault + "); trying to open it again");
      told = true;
      pause(shared, wait);
      wait = std::min(2 * wait, 5.0);
      try {
        if (!stopped(shared)) {
          video = vision::Video(shared.name);
          found = true;
          shared.notice(shared.name + ": found again");
        }
      } catch (const Error& e) {
        fault = e.what();
      }
    }
    if (!found) break;
  }
  const std::lock_guard lock(shared.mutex);
  if (!shared.stop) shared.fault = shared.name + ": lost: " + fault;
  shared.over = true;
  shared.changed.notify_all();
}

}  // namespace

LiveSource::LiveSource(const std::string& name, double fps, double patience, StopAsked stop,
                       std::function<void(const std::string&)> notice)
    : shared_(std::make_shared<Shared>()), stop_(std::move(stop)) {
  shared_->name = name;
  shared_->fps = fps;
  shared_->patience = patience;
  shared_->notice = std::move(notice);
  // Opened here, so that a name which never worked is an error at once.
  std::thread(read_stream, shared_, vision::Video(name)).detach();
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
  if (!shared.fresh) throw Error(shared.fault);
  std::swap(taken_, shared.newest);
  shared.fresh = false;
  return SourceFrame{taken_.view(), shared.seconds, shared.index};
}

uint64_t LiveSource::dropped() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->dropped;
}

}  // namespace sterna::cli
