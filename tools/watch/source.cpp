#include "watch/source.h"

#include <poll.h>
#include <sterna/quant/error.h>
#include <sterna/vision/decode.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string_view>

#include "cli/error.h"

namespace sterna::cli {

using vision::PixelFormat;

bool Sampler::due(double seconds, double step) const {
  // A clock that began anew starts the count anew.
  return period_ == 0 || !started_ || seconds < last_ || seconds + step / 2 >= next_;
}

void Sampler::took(double seconds) {
  if (!started_ || seconds < last_ || seconds >= next_ + period_) {
    next_ = seconds + period_;  // the first one, or some were missed: count from here
  } else {
    next_ += period_;
  }
  started_ = true;
  last_ = seconds;
}

VideoSource::VideoSource(const std::string& name, double fps, StopAsked stop)
    : name_(name), video_(name), sampler_(fps), stop_(std::move(stop)) {
  if (video_.info().fps > 0) step_ = 1 / video_.info().fps;
}

std::optional<SourceFrame> VideoSource::next() {
  while (!stop_()) {
    // Stepping over a frame spares its conversion, but must be decided before its time is known.
    const bool wanted = first_ || sampler_.due(last_ + step_, step_);
    ++faults_;  // unless it is read
    const auto frame = wanted ? video_.next() : video_.skip();
    if (!frame) {
      expect_whole();
      return std::nullopt;
    }
    faults_ = 0;
    if (!first_ && frame->seconds > last_) step_ = frame->seconds - last_;
    first_ = false;
    last_ = frame->seconds;
    if (!wanted) continue;
    sampler_.took(frame->seconds);
    return SourceFrame{frame->pixels, frame->seconds, frame->index};
  }
  return std::nullopt;
}

void VideoSource::expect_whole() {
  const vision::VideoInfo& info = video_.info();
  if (info.fps <= 0 || info.frames <= 0) return;  // a stream does not tell
  const double length = info.frames / info.fps, found = last_ + step_;
  // Some containers tell an estimate alone.
  if (found >= 0.9 * length - 1) return;
  faults_ = kMostFaults;
  throw Error(name_ + ": expected a video of " + std::to_string(std::lround(length)) +
              " s, found its end after " + std::to_string(std::lround(found)) + " s");
}

PictureSource::PictureSource(std::vector<std::string> files, double fps, StopAsked stop)
    : files_(std::move(files)), fps_(fps), stop_(std::move(stop)) {}

std::optional<SourceFrame> PictureSource::next() {
  if (next_ == files_.size() || stop_()) return std::nullopt;
  const size_t i = next_++;
  try {
    image_ = vision::decode_file(files_[i]);
  } catch (const Error& error) {
    throw FileError(files_[i], error.what());
  }
  return SourceFrame{image_.view(), static_cast<double>(i) / fps_, i};
}

RawFormat RawFormat::parse(const std::string& text) {
  const auto fail = [&]() -> UsageError {
    return UsageError("--raw: expected WIDTHxHEIGHT[:rgb24|bgr24|rgba|bgra|gray][@FPS], found \"" +
                      text + "\"");
  };
  RawFormat raw;
  std::string_view rest = text;
  if (const size_t at = rest.find('@'); at != rest.npos) {
    const std::string_view fps = rest.substr(at + 1);
    const auto [end, error] = std::from_chars(fps.data(), fps.data() + fps.size(), raw.fps);
    if (error != std::errc() || end != fps.data() + fps.size() || !(raw.fps > 0) ||
        !std::isfinite(raw.fps)) {
      throw fail();
    }
    if (raw.fps < kLeastFps) {
      throw UsageError("--raw: expected at least a frame a day (@0.000012), found \"" + text +
                       "\"");
    }
    rest = rest.substr(0, at);
  }
  if (const size_t colon = rest.find(':'); colon != rest.npos) {
    const std::string_view name = rest.substr(colon + 1);
    if (name == "rgb24")
      raw.format = PixelFormat::rgb;
    else if (name == "bgr24")
      raw.format = PixelFormat::bgr;
    else if (name == "rgba")
      raw.format = PixelFormat::rgba;
    else if (name == "bgra")
      raw.format = PixelFormat::bgra;
    else if (name == "gray")
      raw.format = PixelFormat::gray;
    else
      throw fail();
    rest = rest.substr(0, colon);
  }
  const size_t cross = rest.find('x');
  if (cross == rest.npos) throw fail();
  const auto side = [&](std::string_view digits) {
    size_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() || value == 0 ||
        value > 16384) {
      throw fail();
    }
    return value;
  };
  raw.width = side(rest.substr(0, cross));
  raw.height = side(rest.substr(cross + 1));
  return raw;
}

size_t RawFormat::frame_bytes() const {
  const size_t channels = format == PixelFormat::gray                                ? 1
                          : format == PixelFormat::rgb || format == PixelFormat::bgr ? 3
                                                                                     : 4;
  return width * height * channels;
}

RawSource::RawSource(int fd, const RawFormat& format, double fps, StopAsked stop)
    : fd_(fd), format_(format), sampler_(fps), stop_(std::move(stop)) {
  frame_.resize(format.frame_bytes());
}

bool RawSource::fill() {
  size_t have = 0;
  while (have < frame_.size()) {
    // Waiting in poll(), not in read(), lets a request to stop through.
    pollfd waiting{fd_, POLLIN, 0};
    const int ready = poll(&waiting, 1, 200);
    if (stop_()) return false;
    if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
    const ssize_t got = read(fd_, frame_.data() + have, frame_.size() - have);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) throw Error(std::string("standard input: can't be read: ") + std::strerror(errno));
    if (got == 0) {
      if (have == 0 && index_ == 0) throw Error("standard input: expected frames, found none");
      if (have == 0) return false;
      throw Error("standard input: frame " + std::to_string(index_) + ": expected " +
                  std::to_string(frame_.size()) + " bytes, found the end after " +
                  std::to_string(have));
    }
    have += static_cast<size_t>(got);
  }
  return true;
}

std::optional<SourceFrame> RawSource::next() {
  while (fill()) {
    const uint64_t index = index_++;
    const double seconds = static_cast<double>(index) / format_.fps;
    if (!sampler_.due(seconds, 1 / format_.fps)) continue;
    sampler_.took(seconds);
    const size_t stride = frame_.size() / format_.height;
    return SourceFrame{
        {frame_.data(), format_.width, format_.height, stride, format_.format, 8}, seconds, index};
  }
  return std::nullopt;
}

}  // namespace sterna::cli
