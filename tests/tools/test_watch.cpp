#include <doctest/doctest.h>
#include <sterna/decoder/change.h>
#include <sterna/quant/error.h>
#include <tests/support/folder.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <optional>
#include <utility>

#include "cli/html.h"
#include "cli/npy.h"
#include "watch/engine.h"

using namespace sterna;
using namespace sterna::cli;
using vision::PixelFormat;

namespace {

using Pixels = std::vector<uint8_t>;

/// A plain picture of a colour, in the middle a square of another.
vision::Image picture(size_t side, uint8_t ground, uint8_t square = 0, size_t square_side = 0) {
  vision::Image image{side, side, Pixels(side * side * 3, ground)};
  for (size_t y = 0; y < square_side; ++y) {
    for (size_t x = 0; x < square_side; ++x) {
      for (size_t c = 0; c < 3; ++c) image.rgb[((y + 40) * side + x + 40) * 3 + c] = square;
    }
  }
  return image;
}

/// Frames out of memory; one may be missing (an Error), one may come before the last in time.
struct Script : FrameSource {
  struct Step {
    vision::Image image;
    double seconds;
    bool broken = false;
  };
  std::vector<Step> steps;
  size_t at = 0;
  bool resume = true;
  std::optional<SourceFrame> next() override {
    if (at == steps.size()) return std::nullopt;
    const Step& step = steps[at++];
    if (step.broken) throw Error("frame " + std::to_string(at - 1) + ": broken");
    return SourceFrame{step.image.view(), step.seconds, at - 1};
  }
  bool resumable() const override { return resume; }
};

/// An embedding that says how bright the first pixel is.
WatchModel bright_model(size_t* calls = nullptr) {
  return {3,
          [calls](const vision::ImageView& p, std::span<float> out) {
            if (calls != nullptr) ++*calls;
            const double level = static_cast<const uint8_t*>(p.data)[0] / 255.0;
            out[0] = static_cast<float>(std::cos(level * 1.5));
            out[1] = static_cast<float>(std::sin(level * 1.5));
            out[2] = 0;
          },
          [](std::span<const float> e, std::string& text, double& confidence) {
            text = e[1] > e[0] ? "bright <day>" : "dark & night";
            confidence = 0.75;
          }};
}

struct Collected {
  std::vector<WatchEvent> events;
  std::vector<std::string> warnings;
  WatchOutputs outputs() {
    WatchOutputs o;
    o.event = [this](const WatchEvent& e) { events.push_back(e); };
    o.warn = [this](const std::string& line) { warnings.push_back(line); };
    return o;
  }
};

decoder::CusumGate cusum() {
  decoder::CusumGate::Config config;
  config.dim = 3;
  return decoder::CusumGate(config);
}

/// Two minutes: dark, bright, dark, ten frames a second.
Script day_and_night(size_t side) {
  Script script;
  for (size_t i = 0; i < 300; ++i) {
    const bool bright = i >= 100 && i < 200;
    script.steps.push_back({picture(side, bright ? 250 : 5), static_cast<double>(i) / 10});
  }
  return script;
}

}  // namespace

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
    for (size_t i = 0; i < 400; ++i) {  // the second stretch means something else, in the same words
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

TEST_CASE("watch: where frames are files, events and failures tell which") {
  struct Files : Script {
    std::vector<std::string> names;
    const std::string* file(uint64_t index) const override { return &names[index]; }
  };
  const test::Folder folder;
  Files files;
  files.steps = day_and_night(64).steps;
  for (size_t i = 0; i < files.steps.size(); ++i) files.names.push_back(std::to_string(i) + ".png");
  WatchModel model = bright_model();
  const auto embed = model.embed;
  size_t call = 0;
  model.embed = [&](const vision::ImageView& p, std::span<float> out) {
    if (++call == 30) throw Error("expected something else");
    embed(p, out);
  };
  auto gate = cusum();
  Collected seen;
  WatchOutputs outputs = seen.outputs();
  std::vector<std::string> failed;
  outputs.file_failed = [&](const std::string& file, const std::string& error) {
    failed.push_back(file + " " + error);
  };
  EmbeddingLog log(folder.path() / "e.npy", 3);
  outputs.log = &log;
  watch(files, nullptr, gate, model, outputs);
  REQUIRE(seen.events.size() == 3);
  for (const WatchEvent& event : seen.events) CHECK(event.file == files.names[event.frame]);
  CHECK(failed == std::vector<std::string>{"29.png 29.png: expected something else"});
  CHECK(seen.warnings == std::vector<std::string>{"29.png: expected something else"});
  CHECK(folder.read("e.jsonl").starts_with(
      "{\"row\":0,\"frame\":0,\"seconds\":0.0,\"input\":\"0.png\"}\n"));
}

TEST_CASE("watch: report and embeddings") {
  const test::Folder folder;
  Script script = day_and_night(200);
  PixelDifference difference(1.5);
  auto gate = cusum();
  Collected seen;
  WatchOutputs outputs = seen.outputs();
  WatchReport report(folder.path() / "r.html", "a<b>.mp4", "model");
  EmbeddingLog log(folder.path() / "e.npy", 3);
  outputs.report = &report;
  outputs.log = &log;
  watch(script, &difference, gate, bright_model(), outputs);
  CHECK_FALSE(outputs.failed);

  const std::string page = folder.read("r.html");
  const auto count = [&](const std::string& what) {
    size_t n = 0;
    for (size_t at = page.find(what); at != page.npos; at = page.find(what, at + 1)) ++n;
    return n;
  };
  CHECK(count("<article>") == 3);
  CHECK(count("data:image/jpeg;base64,/9j/") == 3);  // how a JPEG file begins
  CHECK(count("<rect ") == 3);
  CHECK(count("<polyline ") == 2);
  CHECK(count("a&lt;b&gt;.mp4") == 2);  // title and heading
  CHECK(count("bright &lt;day&gt;") == 1);
  CHECK(count("dark &amp; night") == 2);
  CHECK(count("<script") == 0);
  CHECK(page.ends_with("</html>\n"));

  const NpyMatrix rows(folder.path() / "e.npy");
  CHECK(rows.rows() == 3);
  CHECK(rows.cols() == 3);
  CHECK(rows.row(1)[1] > 0.9f);
  CHECK(folder.read("e.jsonl") ==
        "{\"row\":0,\"frame\":0,\"seconds\":0.0}\n{\"row\":1,\"frame\":100,\"seconds\":10.0}\n"
        "{\"row\":2,\"frame\":200,\"seconds\":20.0}\n");
  CHECK_THROWS_AS(EmbeddingLog(folder.path() / "e.bin", 3), Error);
}

TEST_CASE("watch: a disk that fills up costs the report and the log, not the events") {
  const test::Folder folder;
  Script script = day_and_night(64);
  for (Script::Step& step : script.steps) {  // every frame differs a little
    step.image.rgb[0] = static_cast<uint8_t>(step.image.rgb[0] + (&step - script.steps.data()) % 5);
  }
  auto gate = cusum();
  Collected seen;
  WatchOutputs outputs = seen.outputs();
  WatchReport report(folder.path() / "r.html", "source", "model");
  EmbeddingLog log(folder.path() / "e.npy", 3);
  outputs.report = &report;
  outputs.log = &log;
  // No file may grow beyond 3000 bytes from here on: as on a full disk, write() fails.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit small{3000, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const WatchSummary summary = watch(script, nullptr, gate, bright_model(), outputs);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  CHECK(outputs.failed);
  CHECK(seen.events.size() == 3);
  CHECK(summary.frames == 300);
  REQUIRE(seen.warnings.size() == 2);  // each named once
  CHECK(seen.warnings[0].find("e.") != std::string::npos);
  CHECK(seen.warnings[1].find("r.html") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(folder.path() / "r.html"));
}

TEST_CASE("watch: where events go is at its end: report and log are finished first") {
  const test::Folder folder;
  for (const size_t told : {size_t{0}, size_t{1}, size_t{2}}) {
    CAPTURE(told);
    Script script = day_and_night(64);
    PixelDifference difference(1.5);
    auto gate = cusum();
    size_t calls = 0;
    WatchOutputs outputs;
    outputs.event = [&](const WatchEvent&) {
      if (calls++ == told) throw Error("standard output: expected room");
    };
    outputs.warn = [](const std::string&) {};
    WatchReport report(folder.path() / "r.html", "source", "model");
    EmbeddingLog log(folder.path() / "e.npy", 3);
    outputs.report = &report;
    outputs.log = &log;
    CHECK_THROWS_WITH_AS(watch(script, &difference, gate, bright_model(), outputs),
                         "standard output: expected room", Error);
    CHECK(calls == told + 1);  // nothing is said after it
    CHECK((script.at < script.steps.size()) == (told < 2));
    CHECK(folder.read("r.html").ends_with("</html>\n"));
    CHECK(NpyMatrix(folder.path() / "e.npy").rows() >= told + 1);
    CHECK_FALSE(std::filesystem::exists(folder.path() / "e.npy.part"));
    CHECK_FALSE(std::filesystem::exists(folder.path() / "e.jsonl.part"));
  }
}

TEST_CASE("difference: noise passes, small things show") {
  uint32_t state = 1;
  const auto noisy = [&](vision::Image image) {
    for (uint8_t& v : image.rgb) {  // -6 .. 6, a standard deviation of 3.7
      state = state * 1664525 + 1013904223;
      v = static_cast<uint8_t>(v + (state >> 24) % 13 - 6);
    }
    return image;
  };
  PixelDifference difference(1.5);
  CHECK(difference.changed(noisy(picture(480, 100)).view()));
  for (int i = 0; i < 20; ++i) CHECK_FALSE(difference.changed(noisy(picture(480, 100)).view()));
  CHECK(difference.changed(noisy(picture(480, 100, 200, 12)).view()));  // 12 x 12 of 480 x 480
  CHECK_FALSE(difference.changed(noisy(picture(480, 100, 200, 12)).view()));
  CHECK(difference.changed(noisy(picture(480, 103)).view()));
  // Slow change adds up: never more than two levels unseen.
  size_t told = 0;
  for (uint8_t level = 103; level < 143; ++level) {
    told += difference.changed(picture(480, level).view()) ? 1 : 0;
  }
  CHECK(told >= 19);
  // Other sizes, formats, tiny pictures, 16 bits.
  CHECK(difference.changed(picture(100, 142).view()));
  const Pixels gray(100 * 100, 142);
  CHECK(difference.changed({gray.data(), 100, 100, 100, PixelFormat::gray, 8}));
  CHECK_FALSE(difference.changed({gray.data(), 100, 100, 100, PixelFormat::gray, 8}));
  CHECK(difference.changed({gray.data(), 3, 1, 3, PixelFormat::gray, 8}));
  const std::vector<uint16_t> deep(64 * 64 * 3, 0x8080), deeper(64 * 64 * 3, 0x8480);
  CHECK(difference.changed({deep.data(), 64, 64, 64 * 6, PixelFormat::rgb, 16}));
  CHECK_FALSE(difference.changed({deep.data(), 64, 64, 64 * 6, PixelFormat::rgb, 16}));
  CHECK(difference.changed({deeper.data(), 64, 64, 64 * 6, PixelFormat::rgb, 16}));
  CHECK_THROWS_AS(difference.changed({nullptr, 0, 0, 0, PixelFormat::rgb, 8}), Error);
}

TEST_CASE("keyframes: the middle of each segment, in bounded memory") {
  Keyframes keyframes(8, 8);
  for (size_t i = 0; i < 1000; ++i) keyframes.add({i, i * 10, nullptr});
  const auto middle = keyframes.take(0, 1000);
  CHECK(std::abs(static_cast<double>(middle.number) - 500) <= 130);
  CHECK(middle.index == middle.number * 10);
  CHECK_FALSE(middle.thumbnail);
  for (size_t i = 1000; i < 1005; ++i) keyframes.add({i, i * 10, nullptr});
  CHECK(keyframes.take(1000, 3).number == 1001);
  CHECK(keyframes.take(1003, 2).number == 1004);
  keyframes.add({1005, 10050, nullptr});
  CHECK(keyframes.take(1006, 4).number == 1005);  // none of its own: the last one there is

  History<size_t> history(64);
  for (size_t i = 0; i < 100000; ++i) {
    history.add(i, i / 3);
    CHECK(history.size() <= 64);
  }
  const auto* whole = history.nearest(50000, 50003, 50001);
  REQUIRE(whole != nullptr);
  CHECK(whole->last == whole->first + 2);
}

TEST_CASE("keyframes: a long scene costs those after it neither frame nor thumbnail") {
  for (const bool still : {false, true}) {
    CAPTURE(still);
    Keyframes keyframes(256, 64);
    const auto thumbnail = [](uint8_t level) {
      return std::make_shared<const vision::Image>(picture(1, level));
    };
    size_t number = 0;
    const auto scene = [&](size_t frames, uint8_t level) {
      const auto shared = thumbnail(level);
      for (size_t i = 0; i < frames; ++i, ++number)
        keyframes.add({number, number + 7, still ? shared : thumbnail(level)});
    };
    scene(5000, 10);  // is told when frames of the next three have come
    scene(5, 20);
    scene(1, 30);
    scene(4, 40);
    size_t first = 0;
    constexpr std::pair<size_t, int> kScenes[] = {{5000, 10}, {5, 20}, {1, 30}, {4, 40}};
    for (const auto& told : kScenes) {
      const size_t frames = told.first;
      CAPTURE(first);
      const auto frame = keyframes.take(first, frames);
      CHECK(frame.number >= first);
      CHECK(frame.number < first + frames);
      CHECK(frame.index == frame.number + 7);
      if (frames < 10) CHECK(frame.number == first + frames / 2);
      REQUIRE(frame.thumbnail);
      CHECK(frame.thumbnail->rgb[0] == told.second);
      first += frames;
    }
  }
  // Of scenes that were thinned away, none is shown rather than another.
  Keyframes few(1000, 8);
  for (size_t i = 0; i < 1000; ++i) {
    few.add({i, i, std::make_shared<const vision::Image>(picture(1, static_cast<uint8_t>(i)))});
  }
  size_t shown = 0;
  for (size_t i = 0; i < 1000; ++i) {
    const auto frame = few.take(i, 1);
    if (!frame.thumbnail) continue;
    ++shown;
    CHECK(frame.thumbnail->rgb[0] == static_cast<uint8_t>(i));
  }
  CHECK(shown > 2);
  CHECK(shown <= 8);
}

TEST_CASE("watch: every segment of a long stream names a frame of its own, with a report or not") {
  const test::Folder folder;
  for (const bool reported : {false, true}) {
    CAPTURE(reported);
    Script script;
    for (size_t i = 0; i < 1030; ++i) {  // 1000 dark frames, 5 bright, 4 dark, 20 bright, 1 dark
      const bool bright = (i >= 1000 && i < 1005) || (i >= 1009 && i < 1029);
      script.steps.push_back({picture(16, bright ? 250 : 5), static_cast<double>(i) / 8});
    }
    decoder::WardGate gate(3, {std::nullopt, 0.01, 1});
    Collected seen;
    WatchOutputs outputs = seen.outputs();
    std::optional<WatchReport> report;
    if (reported) outputs.report = &report.emplace(folder.path() / "r.html", "source", "model");
    PixelDifference difference(1.5);
    watch(script, &difference, gate, bright_model(), outputs);
    REQUIRE(seen.events.size() == 5);
    const uint64_t frames[] = {500, 1002, 1007, 1019, 1029};
    for (size_t i = 0; i < 5; ++i) CHECK(seen.events[i].frame == frames[i]);
  }
  const std::string page = folder.read("r.html");
  size_t thumbnails = 0;
  for (size_t at = page.find("<img"); at != page.npos; at = page.find("<img", at + 1)) ++thumbnails;
  CHECK(thumbnails == 5);
}

TEST_CASE("times and HTML") {
  CHECK(time_text(0) == "0:00.0");
  CHECK(time_text(75.25) == "1:15.2");
  CHECK(time_text(3725) == "1:02:05.0");
  CHECK(time_text(-1) == "0:00.0");
  CHECK(time_text(1e17) == time_text(1e300));
  CHECK(time_text(1e300).starts_with("2777777777777"));
  CHECK(time_text(-1e300) == "0:00.0");
  CHECK(html_text("<a href=\"x\">&'") == "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
  CHECK(html_text("\xff") == "\xEF\xBF\xBD");
}
