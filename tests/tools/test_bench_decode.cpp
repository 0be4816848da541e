#include <doctest/doctest.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>

#include "bench_score.h"
#include "bench_stream.h"
#include "tests/tools/folder.h"

using namespace sterna;
using namespace sterna::cli;

TEST_CASE("bench decode: outputs are matched by time") {
  const std::vector<StreamEvent> events{{0, 2, "red"}, {2, 3, "blue"}, {3, 7, "red"}};
  const std::vector<Spoken> outputs{{0, 2.2, "red"}, {2.2, 4, "blue"}, {6, 7, "green"}};
  CHECK(nearest_outputs(events, outputs) == std::vector<size_t>{0, 1, 1});  // 5 is 1 s from both
  CHECK(accuracy(events, outputs) == doctest::Approx(2.0 / 3));
  CHECK(accuracy(events, {}) == 0);
  CHECK(accuracy({}, outputs) == 0);
  CHECK(boundary_f1(events, outputs, 0.5) == doctest::Approx(0.5));  // 2.2 fits 2; 4 fits nothing
  CHECK(boundary_f1(events, outputs, 1.0) == doctest::Approx(1));
  CHECK(boundary_f1(events, {}, 0.5) == 0);
  CHECK(boundary_f1({{0, 1, "a"}}, {{0, 1, "a"}}, 0.5) == 1);
}

TEST_CASE("bench decode: CIDEr") {
  const std::vector<StreamEvent> events{{0, 1, "a red ball"},
                                        {1, 2, "a blue ball"},
                                        {2, 3, "a red box"},
                                        {3, 4, "one two three four"}};
  std::vector<Spoken> outputs;
  for (const StreamEvent& e : events) outputs.push_back({e.start, e.end, e.label});
  // Equal texts: 1 for each n that the label has words for: 3, 3, 3 and 4 of 4.
  CHECK(cider(events, outputs) == doctest::Approx(10 * (3 + 3 + 3 + 4) / 4.0 / 4));
  for (Spoken& o : outputs) o.text = "nothing of this";
  CHECK(cider(events, outputs) == 0);
  // "a red ball" against "a blue ball", by hand: of the words, "a" occurs in 3 of 4 labels, "ball"
  // in 2, "red" in 2, "blue" in 1; no bigram but "a red" (2 of 4), not in the label.
  outputs[1].text = "a red ball";
  const double a = std::log(4.0 / 3), half = std::log(2.0), one = std::log(4.0);
  const double cosine = (a * a + half * half) / std::sqrt(a * a + 2 * half * half) /
                        std::sqrt(a * a + half * half + one * one);
  CHECK(cider(events, outputs) == doctest::Approx(10 * cosine / 4 / 4));
}

TEST_CASE("bench decode: the stream keeps its promises") {
  const StreamScript script{.seed = 7, .seconds = 3600, .fps = 4};
  const StreamGenerator generator(script);
  const auto& events = generator.events();
  std::vector<double> lengths;
  for (size_t i = 0; i < events.size(); ++i) {
    lengths.push_back(events[i].end - events[i].start);
    CHECK(events[i].start == (i == 0 ? 0 : events[i - 1].end));
    if (i > 0) CHECK(events[i].label != events[i - 1].label);
    if (i + 1 < events.size()) {
      CHECK(lengths.back() >= 0.5);
      CHECK(lengths.back() <= 10);
    }
  }
  CHECK(events.back().end == 3600);
  std::nth_element(lengths.begin(), lengths.begin() + static_cast<long>(lengths.size() / 2),
                   lengths.end());
  CHECK(lengths[lengths.size() / 2] == doctest::Approx(1.8).epsilon(0.1));
  CHECK(events.size() / 10 > 120);  // about 140 in six minutes
  CHECK(events.size() / 10 < 170);
  CHECK(generator.labels().size() == 11);
  CHECK(generator.frames() == 14400);
}

TEST_CASE("bench decode: the same seed gives the same pixels, and frames show their label") {
  const StreamScript script{.seed = 3, .seconds = 20, .fps = 8, .dissolves = 0.5};
  StreamGenerator a(script), b(script);
  vision::Image x, y;
  for (size_t i = 0; i < a.frames(); i += 5) {
    a.render(i, x);
    b.render(i, y);
    REQUIRE(x.rgb == y.rgb);
  }
  CHECK(x.width == 320);
  CHECK(x.height == 240);
  // The middle of a red or blue event is red or blue in the middle of the picture.
  StreamGenerator c({.seed = 5, .seconds = 60, .fps = 8});
  size_t seen = 0;
  for (const StreamEvent& e : c.events()) {
    if (e.label != "red" && e.label != "blue") continue;
    c.render(static_cast<size_t>((e.start + e.end) / 2 * 8), x);
    const uint8_t* middle = &x.rgb[(120 * 320 + 160) * 3];
    CHECK(middle[e.label == "red" ? 0 : 2] > middle[1] + 30);
    ++seen;
  }
  CHECK(seen > 0);
  // With a camera that stands still, nothing but noise moves within an event.
  StreamGenerator still({.seed = 5, .seconds = 30, .fps = 8, .dissolves = 0, .still = true});
  for (const StreamEvent& e : still.events()) {
    const auto first = static_cast<size_t>(std::ceil(e.start * 8));
    const auto last = static_cast<size_t>(std::ceil(e.end * 8)) - 1;
    still.render(first, x);
    still.render(last, y);
    double moved = 0;
    for (size_t i = 0; i < x.rgb.size(); ++i) moved += std::abs(x.rgb[i] - y.rgb[i]);
    CHECK(moved / static_cast<double>(x.rgb.size()) < 5);  // two noises of 3 levels: 3.4
  }
  const Folder folder;
  folder.write("only/a.ppm", "x");
  CHECK_THROWS_AS(StreamGenerator({.pictures = folder.path().string()}), Error);
  CHECK_THROWS_AS(StreamGenerator({.pictures = "/nowhere"}), Error);
}
