#include <doctest/doctest.h>
#include <sterna/quant/error.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "watch/live_source.h"

using namespace sterna;
using namespace sterna::cli;

namespace {

/// A stream that a test plays: pictures of 4 x 4 whose first byte is their number, faults, and
/// ends.
class Play {
 public:
  enum class Kind { picture, fault, end };
  struct Step {
    Kind kind = Kind::picture;
    uint8_t number = 0;
  };

  OpenStream open() {
    return [this]() -> ReadPicture {
      const std::lock_guard lock(mutex_);
      ++opened_;
      if (refused_ > 0) {
        --refused_;
        throw Error("play: expected a stream, found none");
      }
      return [this] { return read(); };
    };
  }
  void add(std::vector<Step> steps) {
    const std::lock_guard lock(mutex_);
    for (const Step& step : steps) steps_.push_back(step);
    changed_.notify_all();
  }
  void add(uint8_t first, uint8_t last) {
    for (int i = first; i <= last; ++i) add({{Kind::picture, static_cast<uint8_t>(i)}});
  }
  /// The next `times` attempts to open it fail.
  void refuse(size_t times) {
    const std::lock_guard lock(mutex_);
    refused_ = times;
  }
  /// Until the reader has come for a step that there is not.
  void until_read() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_; });
  }
  size_t opened() {
    const std::lock_guard lock(mutex_);
    return opened_;
  }
  /// What the reader says, e.g. when frames are dropped.
  std::function<void(const std::string&)> notice() {
    return [this](const std::string& line) {
      const std::lock_guard lock(mutex_);
      lines_.push_back(line);
    };
  }
  std::vector<std::string> lines() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  std::optional<vision::ImageView> read() {
    std::unique_lock lock(mutex_);
    waiting_ = at_ == steps_.size();
    changed_.notify_all();
    changed_.wait(lock, [&] { return at_ < steps_.size(); });
    waiting_ = false;
    const Step step = steps_[at_++];
    if (step.kind == Kind::end) return std::nullopt;
    if (step.kind == Kind::fault) throw Error("play: frame " + std::to_string(step.number));
    side_ = step.number >= 100 ? 8 : 4;  // the stream has changed its size
    pixels_.assign(side_ * side_ * 3, step.number);
    return vision::ImageView{pixels_.data(), side_, side_, side_ * 3, vision::PixelFormat::rgb, 8};
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Step> steps_;
  size_t at_ = 0, opened_ = 0, refused_ = 0, side_ = 4;
  bool waiting_ = false;
  std::vector<uint8_t> pixels_;
  std::vector<std::string> lines_;
};

using Kind = Play::Kind;

LiveSource::Config config(double patience, bool endless = true) {
  return {.name = "play", .fps = 0, .patience = patience, .endless = endless, .retry = 0.001};
}

bool go_on() { return false; }

uint8_t number(const SourceFrame& frame) { return *static_cast<const uint8_t*>(frame.pixels.data); }

}  // namespace

TEST_CASE("live source: the newest frame is looked at, older ones are dropped and told of") {
  Play play;
  play.add(0, 11);
  LiveSource source(config(60, false), play.open(), go_on, play.notice());
  play.until_read();
  auto frame = source.next();
  REQUIRE(frame);
  CHECK(number(*frame) == 11);
  CHECK(frame->index == 11);
  CHECK(source.dropped() == 11);
  const auto lines = play.lines();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] ==
        "play: frames come faster than they are looked at: the newest is kept, 1 dropped so far");
  CHECK(lines[1].find("10 dropped") != std::string::npos);
  double last = frame->seconds;
  for (uint8_t i = 12; i < 16; ++i) {  // looked at in time: nothing is lost
    play.add(i, i);
    frame = source.next();
    REQUIRE(frame);
    CHECK(number(*frame) == i);
    CHECK(frame->seconds >= last);
    last = frame->seconds;
  }
  CHECK(source.dropped() == 11);
  play.add(16, 16);
  play.add({{Kind::end}});
  frame = source.next();  // the last frame is not lost with the end
  REQUIRE(frame);
  CHECK(number(*frame) == 16);
  CHECK_FALSE(source.next());
  CHECK(play.opened() == 1);
}

TEST_CASE("live source: a lost stream is opened again, in another size too") {
  Play play;
  play.add({{Kind::picture, 1}});
  LiveSource source(config(60), play.open(), go_on, play.notice());
  auto frame = source.next();
  REQUIRE(frame);
  CHECK(frame->pixels.width == 4);
  play.refuse(2);
  play.add({{Kind::fault, 2}, {Kind::picture, 103}});
  frame = source.next();
  REQUIRE(frame);
  CHECK(number(*frame) == 103);
  CHECK(frame->pixels.width == 8);
  CHECK(frame->index == 1);
  CHECK(play.opened() == 4);
  CHECK(play.lines() == std::vector<std::string>{"play: lost (frame 2); trying to open it again",
                                                 "play: found again"});
  play.add({{Kind::end}, {Kind::picture, 4}});  // the end of a camera is a loss
  frame = source.next();
  REQUIRE(frame);
  CHECK(number(*frame) == 4);
  CHECK(play.opened() == 5);
  play.add({{Kind::end}});  // what waits in read() must return before `play` goes
  play.refuse(1000000);
}

TEST_CASE("live source: patience ends, and the fault is named") {
  Play play;
  play.add({{Kind::picture, 1}, {Kind::fault, 2}});
  play.refuse(0);
  LiveSource source(config(0), play.open(), go_on, play.notice());
  const auto frame = source.next();
  REQUIRE(frame);
  CHECK(number(*frame) == 1);
  CHECK_THROWS_WITH_AS(source.next(), "play: given up: frame 2", Error);
  CHECK(play.lines().empty());
  Play none;
  none.refuse(1);
  CHECK_THROWS_WITH_AS(LiveSource(config(60), none.open(), go_on, none.notice()),
                       "play: expected a stream, found none", Error);
}

TEST_CASE("live source: a request to stop is heard while nothing comes") {
  Play play;
  {
    LiveSource source(
        config(60, false), play.open(), [] { return true; }, play.notice());
    CHECK_FALSE(source.next());
    play.add({{Kind::end}});
  }
  // Raw frames as they come.
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const RawFormat format = RawFormat::parse("4x4:gray");
  const std::vector<uint8_t> bytes(16 * 3 + 5, 7);
  REQUIRE(write(ends[1], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  close(ends[1]);
  LiveSource source({.name = "standard input", .fps = 0, .patience = 0, .endless = false},
                    open_raw(ends[0], format, go_on), go_on, play.notice());
  size_t seen = 0;
  std::string fault;
  try {
    while (source.next()) ++seen;
  } catch (const Error& e) {
    fault = e.what();
  }
  CHECK(seen + source.dropped() == 3);
  CHECK(fault == "standard input: given up: frame 3: expected 16 bytes, found the end after 5");
  close(ends[0]);
}

TEST_CASE("live source: what is one") {
  CHECK(is_live("camera:0"));
  CHECK(is_live("rtsp://host/1"));
  CHECK_FALSE(is_live("http://host/a.mp4"));
  CHECK_FALSE(is_live("a.mp4"));
}
