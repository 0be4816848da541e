#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "watch_script.h"

using namespace sterna;
using namespace sterna::cli;
using namespace sterna::test;

TEST_CASE("watch: one event a segment, unchanged frames are not encoded") {
  Script script = day_and_night(64);
  size_t calls = 0;
  PixelDifference difference(1.5);
  auto gate = cusum();
  Collected seen;
  WatchOutputs outputs = seen.outputs();
  const WatchSummary summary = watch(script, &difference, gate, bright_model(&calls), outputs);
  REQUIRE(seen.events.size() == 3);
  const double starts[] = {0, 10, 20}, ends[] = {10, 20, 30};
  for (size_t i = 0; i < 3; ++i) {
    CHECK(seen.events[i].start == doctest::Approx(starts[i]));
    CHECK(seen.events[i].end == doctest::Approx(ends[i]));
    CHECK(seen.events[i].text == (i == 1 ? "bright <day>" : "dark & night"));
    CHECK(seen.events[i].confidence == 0.75);
    CHECK(seen.events[i].frame == 50 + 100 * i);
  }
  CHECK(calls == 3);
  CHECK(summary.embedded == 3);
  CHECK(summary.unchanged == 297);
  CHECK(summary.frames == 300);
  CHECK(summary.decodes == 3);
  CHECK(summary.seconds == doctest::Approx(29.9));
  CHECK(seen.warnings.empty());
}

TEST_CASE("watch: meanings that come back are recalled; the summary tells what was spared") {
  Script script = day_and_night(64);
  auto gate = cusum();
  Collected seen;
  WatchOutputs outputs = seen.outputs();
  WatchModel model = bright_model();
  model.decode_flops = 1000;
  decoder::Recall recall(3, 0.99);
  model.recall = &recall;
  CostMeter meter;
  outputs.meter = &meter;
  PixelDifference difference(1.5);
  const WatchSummary summary = watch(script, &difference, gate, model, outputs);
  REQUIRE(seen.events.size() == 3);
  CHECK(seen.events[2].text == "dark & night");
  CHECK(seen.events[2].confidence == 0.75);
  CHECK(summary.decodes == 2);
  CHECK(summary.recalled == 1);
  CHECK(summary.decoder_flops == 2 * 1000 + 2 * 3 * (0 + 1 + 2));  // looked among 0, 1, 2
  CHECK(summary.spared() == doctest::Approx(0.99));
  CHECK(summary.cost.cpu_seconds > 0);
  CHECK(summary_text(summary).find("1 recalled") != std::string::npos);

  WatchSummary s;
  CHECK(s.saved_ms() == 0);
  s.frames = 100;
  s.embedded = 20;
  s.unchanged = 80;
  s.decodes = 10;
  s.embed_seconds = 0.2;    // 10 ms a pass
  s.decode_seconds = 0.02;  // 2 ms a decode
  s.compare_seconds = 0.05;
  CHECK(s.saved_ms() == doctest::Approx(80 * 10 + 90 * 2 - 50));
}

TEST_CASE("watch: segments in the same words are joined when asked") {
  for (const bool join : {false, true}) {
    CAPTURE(join);
    Script script;
    for (size_t i = 0; i < 400;
         ++i) {  // the second stretch means something else, in the same words
      const auto level = static_cast<uint8_t>(i < 100 ? 5 : i < 200 ? 125 : i < 300 ? 250 : 5);
      script.steps.push_back({picture(64, level), static_cast<double>(i) / 10});
    }
    auto gate = cusum();
    Collected seen;
    WatchOutputs outputs = seen.outputs();
    outputs.join = join;
    WatchModel model = bright_model();
    model.decode = [](std::span<const float> e, std::string& text, double& confidence) {
      text = e[1] > e[0] ? "bright" : "dark";
      confidence = e[1] > 0.5F ? 0.9 : 0.6;
    };
    const WatchSummary summary = watch(script, nullptr, gate, model, outputs);
    CHECK(summary.decodes == 4);
    REQUIRE(seen.events.size() == (join ? 3 : 4));
    CHECK(seen.events[0].start == doctest::Approx(0));
    CHECK(seen.events[0].end == doctest::Approx(join ? 20 : 10));
    CHECK(seen.events[0].confidence == (join ? 0.9 : 0.6));  // the surest stands for all
    CHECK(seen.events[0].frame == (join ? 150 : 50));
    CHECK(seen.events.back().text == "dark");
    CHECK(seen.events.back().start == doctest::Approx(30));
    CHECK(seen.events.back().end == doctest::Approx(40));
  }
}

TEST_CASE("watch: broken pictures, a new size, a clock that goes back") {
  Script script = day_and_night(64);
  script.steps[30].broken = true;
  for (size_t i = 150; i < 300; ++i) {
    script.steps[i].image = picture(48, script.steps[i].image.rgb[0]);  // the source has changed
    script.steps[i].seconds -= 14;                                      // and began anew
  }
  PixelDifference difference(1.5);
  auto gate = cusum();
  Collected seen;
  WatchOutputs outputs = seen.outputs();
  const WatchSummary summary = watch(script, &difference, gate, bright_model(), outputs);
  REQUIRE(seen.events.size() == 3);
  CHECK(seen.events[2].start == doctest::Approx(20));
  CHECK(seen.events[2].end == doctest::Approx(30));
  CHECK(summary.failed == 1);
  CHECK(summary.frames == 299);
  CHECK(summary.embedded == 4);
  CHECK(seen.warnings == std::vector<std::string>{"frame 30: broken"});

  // A source that can't go on: what was seen is told.
  Script ends = day_and_night(64);
  ends.steps[130].broken = true;
  ends.resume = false;
  auto again = cusum();
  Collected told;
  WatchOutputs out = told.outputs();
  CHECK(watch(ends, nullptr, again, bright_model(), out).failed == 1);
  REQUIRE(told.events.size() == 2);
  CHECK(told.events[1].end == doctest::Approx(13));
}

TEST_CASE("watch: a model that fails on a picture") {
  Script script = day_and_night(64);
  WatchModel model = bright_model();
  const auto embed = model.embed;
  size_t call = 0;
  model.embed = [&](const vision::ImageView& p, std::span<float> out) {
    if (++call == 1) throw Error("picture: expected something else");
    embed(p, out);
  };
  PixelDifference difference(1.5);
  auto gate = cusum();
  Collected seen;
  WatchOutputs outputs = seen.outputs();
  const WatchSummary summary = watch(script, &difference, gate, model, outputs);
  CHECK(summary.failed == 1);
  CHECK(summary.frames == 299);  // the second frame is encoded though its pixels are the same
  CHECK(seen.events.size() == 3);
  REQUIRE(seen.warnings.size() == 1);
  CHECK(seen.warnings[0] == "frame 0: picture: expected something else");
}
