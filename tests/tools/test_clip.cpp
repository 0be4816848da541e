#include <doctest/doctest.h>
#include <sterna/decoder/change.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "cli/error.h"
#include "watch/engine.h"
#include "watch/open_model.h"

using namespace sterna;
using namespace sterna::cli;

namespace {

SharedShot shot(float value, size_t side = 0) {
  return std::make_shared<Shot>(Shot{{side, side}, {value}});
}

/// The values of the frames picked.
std::vector<float> picked(const ClipWindow& window, size_t frames) {
  std::vector<SharedShot> out(frames);
  window.pick(out);
  std::vector<float> values;
  for (const SharedShot& s : out) values.push_back(s->values[0]);
  return values;
}

/// Frames at these times, each of which is its own value.
std::vector<float> picked(const ClipShape& shape, const std::vector<double>& times) {
  ClipWindow window(shape);
  for (const double t : times) window.add(t, shot(static_cast<float>(t)));
  return picked(window, shape.frames);
}

/// A picture of one byte.
struct Pixel {
  explicit Pixel(uint8_t level) : byte(level) {}
  vision::ImageView view() const { return {&byte, 1, 1, 1, vision::PixelFormat::gray, 8}; }
  uint8_t byte;
};

float level(const vision::ImageView& picture) {
  return static_cast<float>(*static_cast<const uint8_t*>(picture.data));
}

}  // namespace

TEST_CASE("clip: the newest frames not after instants that lie evenly in time") {
  // Frames at the clip's own rate: all of them, each once.
  std::vector<double> even;
  for (int i = 0; i < 40; ++i) even.push_back(i / 8.0);
  CHECK(picked({1, 8}, even) ==
        std::vector<float>{4, 4.125F, 4.25F, 4.375F, 4.5F, 4.625F, 4.75F, 4.875F});
  // Twice as fast: every other one, the newest among them.
  CHECK(picked({1, 4}, even) == std::vector<float>{4.125F, 4.375F, 4.625F, 4.875F});
  // A variable rate: instants 0.25, 0.5, 0.75, 1.
  CHECK(picked({1, 4}, {0, 0.125, 0.25, 0.875, 1}) == std::vector<float>{0.25F, 0.25F, 0.25F, 1});
  CHECK(picked({1, 4}, {0, 0.3125, 0.375, 0.75, 1}) == std::vector<float>{0, 0.375F, 0.75F, 1});
  // Counts don't matter: many frames in a short time are still a short time.
  CHECK(picked({1, 4}, {0, 0.5, 0.9375, 0.953125, 0.96875, 0.984375, 1}) ==
        std::vector<float>{0, 0.5F, 0.5F, 1});
  CHECK(picked({1, 1}, even) == std::vector<float>{4.875F});
}

TEST_CASE("clip: the beginning, gaps, a clock that goes backwards") {
  CHECK(picked({2, 4}, {7}) == std::vector<float>{7, 7, 7, 7});
  CHECK(picked({2, 4}, {7, 7.5}) == std::vector<float>{7, 7, 7, 7.5F});
  // What was on screen before a gap is on screen in it.
  CHECK(picked({2, 4}, {0, 0.5, 1, 60}) == std::vector<float>{1, 1, 1, 60});
  CHECK(picked({2, 4}, {0, 0.5, 1, 60, 60.5}) == std::vector<float>{1, 1, 60, 60.5F});
  ClipWindow window({2, 4});
  for (const double t : {10.0, 10.5, 11.0, 3.0, 3.5}) window.add(t, shot(static_cast<float>(t)));
  // Times before the last are the last's: the frame that came last is the newest.
  CHECK(picked(window, 4) == std::vector<float>{10, 10.0F, 10.5F, 3.5F});
  window.clear();
  CHECK(window.newest() == nullptr);
  CHECK_THROWS_AS(picked(window, 4), Error);
  CHECK_THROWS_AS(ClipWindow({0, 4}), Error);
  CHECK_THROWS_AS(ClipWindow({1, 0}), Error);
  CHECK_THROWS_AS(ClipWindow({std::nan(""), 2}), Error);
}

TEST_CASE("clip: stamps that a container rounds to milliseconds miss no instant") {
  for (const double fps : {23.976, 25.0, 29.97, 30.0, 60.0}) {
    CAPTURE(fps);
    const size_t n = 16;
    ClipWindow window({static_cast<double>(n) / fps, n});
    std::vector<float> want;
    for (size_t i = 0; i < 200; ++i) {
      window.add(std::round(static_cast<double>(i) / fps * 1000) / 1000,
                 shot(static_cast<float>(i)));
      want.push_back(static_cast<float>(i));
      if (i < n) continue;
      CHECK(picked(window, n) == std::vector<float>(want.end() - n, want.end()));
    }
  }
}

TEST_CASE("clip: any rate, as a search of all frames would find, in bounded memory") {
  std::mt19937 random(7);
  std::exponential_distribution<double> gap(1);
  for (const double rate : {2.0, 12.0, 50.0}) {
    const ClipShape shape{1.5, 5};
    ClipWindow window(shape);
    std::vector<double> times;
    double now = 0;
    for (int i = 0; i < 2000; ++i) {
      now += 0.04 + gap(random) / rate;  // too far apart to be thinned
      times.push_back(now);
      window.add(now, shot(static_cast<float>(i)));
      CHECK(window.size() <= window.most());
      const auto found = picked(window, shape.frames);
      for (size_t k = 0; k < shape.frames; ++k) {
        const double instant = now - 0.3 * static_cast<double>(shape.frames - 1 - k) + 1e-3;
        const auto after = std::upper_bound(times.begin(), times.end(), instant);
        const auto want = std::max<std::ptrdiff_t>(0, after - times.begin() - 1);
        if (found[k] != static_cast<float>(want)) {
          CAPTURE(rate);
          CAPTURE(k);
          CHECK(found[k] == static_cast<float>(want));
        }
      }
    }
  }
  // A thousand frames a second: thinned, by no more than a quarter of a step.
  const ClipShape shape{1, 4};
  ClipWindow window(shape);
  for (int i = 0; i < 5000; ++i) {
    window.add(i / 1e3, shot(static_cast<float>(i) / 1e3F));
    CHECK(window.size() <= window.most());
    if (i < 1000) continue;
    const auto found = picked(window, shape.frames);
    for (size_t k = 0; k < shape.frames; ++k) {
      const double instant = i / 1e3 - 0.25 * static_cast<double>(3 - k);
      const double late = instant - static_cast<double>(found[k]);
      CHECK(late >= -2e-3);
      CHECK(late <= 0.25 / 4 + 2e-3);
    }
  }
}

TEST_CASE("encoder: clips of pictures are means, the tower sees a frame once") {
  size_t calls = 0;
  const EmbedPicture embed = [&](const vision::ImageView& picture, std::span<float> out) {
    ++calls;
    if (level(picture) == 13) throw Error("bad luck");
    out[0] = std::cos(level(picture) / 100);
    out[1] = std::sin(level(picture) / 100);
  };
  const ClipTower clips{{1, 2}, {}, {}};  // instants t - 0.5 and t
  FrameEncoder encoder(2, embed, clips);
  std::vector<float> out(2);
  const auto angle = [&] { return std::atan2(out[1], out[0]) * 100; };
  auto result = encoder.encode(Pixel(10).view(), 0, false, out);
  CHECK((result.passed && result.moved));
  CHECK(angle() == doctest::Approx(10));
  result = encoder.encode(Pixel(30).view(), 0.5, false, out);
  CHECK((result.passed && result.moved));
  CHECK(angle() == doctest::Approx(20));  // the direction of the mean
  CHECK(std::hypot(out[0], out[1]) == doctest::Approx(1));
  result = encoder.encode(Pixel(30).view(), 1, true, out);  // without the tower
  CHECK((!result.passed && result.moved));
  CHECK(angle() == doctest::Approx(30));
  result = encoder.encode(Pixel(30).view(), 1.5, true, out);
  CHECK((!result.passed && !result.moved));
  CHECK_THROWS_AS(encoder.encode(Pixel(13).view(), 2, false, out), Error);
  result = encoder.encode(Pixel(50).view(), 2.5, false, out);  // as if that frame had not been
  CHECK((result.passed && result.moved));
  CHECK(angle() == doctest::Approx(40));
  CHECK(calls == 4);

  const ClipTower single;
  FrameEncoder alone(2, embed, single);
  CHECK(alone.encode(Pixel(10).view(), 0, false, out).moved);
  CHECK_FALSE(alone.encode(Pixel(10).view(), 1, true, out).moved);
  CHECK(angle() == doctest::Approx(10));
}

TEST_CASE("encoder: a tower that reads clips gets their frames, but no clip twice") {
  std::vector<std::vector<float>> seen;
  size_t prepared = 0;
  bool fault = false;
  ClipTower clips;
  clips.shape = {1.5, 3};
  clips.prepare = [&](const vision::ImageView& picture, Shot& s) {
    ++prepared;
    s.sides = {picture.width, picture.height};
    s.values = {level(picture)};
  };
  clips.embed = [&](std::span<const SharedShot> shots, std::span<float> out) {
    if (fault) throw Error("out of order");
    auto& values = seen.emplace_back();
    for (const SharedShot& s : shots) values.push_back(s->values[0]);
    out[0] = values.back();
  };
  const EmbedPicture none;
  FrameEncoder encoder(1, none, clips);
  std::vector<float> out(1);
  CHECK(encoder.encode(Pixel(1).view(), 0, false, out).passed);
  CHECK_FALSE(encoder.encode(Pixel(1).view(), 0.5, true, out).passed);  // the same clip: 1, 1, 1
  CHECK(encoder.encode(Pixel(2).view(), 1, false, out).passed);
  CHECK(encoder.encode(Pixel(2).view(), 1.5, true, out).moved);  // 1, 2, 2
  CHECK(prepared == 2);
  CHECK(seen == std::vector<std::vector<float>>{{1, 1, 1}, {1, 1, 2}, {1, 2, 2}});
  fault = true;
  CHECK_THROWS_AS(encoder.encode(Pixel(3).view(), 2, false, out), Error);
  fault = false;
  CHECK(encoder.encode(Pixel(3).view(), 2.5, false, out).moved);
  CHECK(seen.back() == std::vector<float>{2, 3, 3});
  // Another size: the source has changed, and what it showed before is in no clip with this.
  const std::vector<uint8_t> bytes(4, 9);
  CHECK(encoder.encode({bytes.data(), 2, 2, 2, vision::PixelFormat::gray, 8}, 3, false, out).moved);
  CHECK(seen.back() == std::vector<float>{9, 9, 9});
}

TEST_CASE("watch: clips see a change later, by their time and not by their frames") {
  struct Scenes : FrameSource {
    std::vector<std::pair<double, Pixel>> frames;
    size_t at = 0;
    std::optional<SourceFrame> next() override {
      if (at == frames.size()) return std::nullopt;
      const auto& [seconds, pixel] = frames[at++];
      return SourceFrame{pixel.view(), seconds, at - 1};
    }
  };
  Scenes source;
  std::mt19937 random(3);
  double t = 0;
  for (size_t i = 0; t < 30; ++i) {  // 5 to 30 frames a second; the clock begins anew at 20 s
    source.frames.emplace_back(t < 20 ? t : t - 20, Pixel(t < 10 ? 0 : 150));
    t += 1 / (5.0 + static_cast<double>(random() % 26));
  }
  WatchModel model;
  model.dim = 2;
  model.embed = [](const vision::ImageView& picture, std::span<float> out) {
    out[0] = std::cos(level(picture) / 100);
    out[1] = std::sin(level(picture) / 100);
  };
  model.decode = [](std::span<const float>, std::string& text, double& confidence) {
    text = "?";
    confidence = 0;
  };
  model.clips.shape = {0.5, 4};
  std::vector<WatchEvent> events;
  WatchOutputs outputs;
  outputs.event = [&](const WatchEvent& e) { events.push_back(e); };
  outputs.warn = [](const std::string& line) { FAIL(line); };
  decoder::CusumGate::Config config;
  config.dim = 2;
  decoder::CusumGate gate(config);
  PixelDifference difference(0);
  const WatchSummary summary = watch(source, &difference, gate, model, outputs);
  REQUIRE(events.size() == 2);
  CHECK(events[0].end >= 10);
  CHECK(events[0].end <= 10.5);
  CHECK(summary.embedded == 2);  // passes; the means in between take none
  CHECK(summary.frames == source.frames.size());
}

TEST_CASE("clip options: what the model was trained on, and what was asked for") {
  WatchWishes wishes;
  CHECK(clip_shape(wishes, 0).frames == 1);
  CHECK(clip_shape(wishes, 64).frames == 16);
  CHECK(clip_shape(wishes, 64).seconds == 2);
  CHECK(clip_shape(wishes, 4).frames == 4);
  wishes.clip_frames = 32;
  CHECK(clip_shape(wishes, 64).frames == 32);
  CHECK(clip_shape(wishes, 0).seconds == 2);
  wishes.clip_frames.reset();
  wishes.clip_seconds = 4;
  CHECK(clip_shape(wishes, 0).frames == 8);
  CHECK(clip_shape(wishes, 0).seconds == 4);
  CHECK(clip_shape(wishes, 64).frames == 16);
  wishes.clip_seconds = 0;
  CHECK(clip_shape(wishes, 64).frames == 1);
  wishes.clip_frames = 2;
  CHECK_THROWS_AS(clip_shape(wishes, 64), UsageError);
}
