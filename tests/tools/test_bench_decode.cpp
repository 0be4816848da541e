#include <doctest/doctest.h>
#include <sterna/quant/error.h>
#include <tests/support/folder.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "bench/policies.h"
#include "bench/score.h"
#include "bench/stream.h"

using namespace sterna;
using namespace sterna::cli;

TEST_CASE("bench decode: outputs are matched by time") {
  const std::vector<StreamEvent> events{{0, 2, "red"}, {2, 3, "blue"}, {3, 7, "red"}};
  const std::vector<Spoken> outputs{{0, 2.2, "red"}, {2.2, 4, "blue"}, {6, 7, "green"}};
  CHECK(nearest_outputs(events, outputs) == std::vector<size_t>{0, 1, 1});  // 5 is 1 s from both
  CHECK(accuracy(events, outputs) == doctest::Approx(2.0 / 3));
  CHECK(accuracy(events, {}) == 0);
  CHECK(accuracy({}, outputs) == 0);
  // 2.2 fits 2; 4 fits nothing.
  CHECK(boundary_f1(events, outputs, 0.5).all == doctest::Approx(0.5));
  CHECK(boundary_f1(events, outputs, 1.0).all == doctest::Approx(1));
  CHECK(boundary_f1(events, {}, 0.5).all == 0);
  CHECK(boundary_f1({{0, 1, "a"}}, {{0, 1, "a"}}, 0.5).all == 1);
  // By kind: recall of 1 among the cuts and 0 among the dissolves, a precision of 1/2.
  const std::vector<StreamEvent> kinds{{0, 2, "red"}, {2, 3, "blue"}, {3, 7, "red", "", true}};
  CHECK(*boundary_f1(kinds, outputs, 0.5).cuts == doctest::Approx(2.0 / 3));
  CHECK(*boundary_f1(kinds, outputs, 0.5).dissolves == 0);
  CHECK_FALSE(boundary_f1(events, outputs, 0.5).dissolves.has_value());
}

TEST_CASE("bench decode: CIDEr") {
  const std::vector<StreamEvent> events{{0, 1, "red", "a red ball"},
                                        {1, 2, "blue", "a blue ball"},
                                        {2, 3, "red", "a red box"},
                                        {3, 4, "four", "one two three four"}};
  std::vector<Spoken> outputs;
  for (const StreamEvent& e : events) outputs.push_back({e.start, e.end, e.label, e.caption});
  // Equal texts: 1 for each n that the label has words for: 3, 3, 3 and 4 of 4.
  CHECK(cider(events, outputs) == doctest::Approx(10 * (3 + 3 + 3 + 4) / 4.0 / 4));
  for (Spoken& o : outputs) o.caption = "nothing of this";
  CHECK(cider(events, outputs) == 0);
  // "a red ball" against "a blue ball", by hand: of the words, "a" occurs in 3 of 4 labels, "ball"
  // in 2, "red" in 2, "blue" in 1; no bigram but "a red" (2 of 4), not in the label.
  outputs[1].caption = "a red ball";
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
  CHECK(events.size() / 10 > 130);  // about 143 in six minutes
  CHECK(events.size() / 10 < 156);
  CHECK(generator.labels().size() == 11);
  CHECK(generator.captions().size() == 44);
  size_t dissolves = 0;
  for (const StreamEvent& e : events) {
    CHECK(e.caption.find(" " + e.label + " ") != e.caption.npos);
    dissolves += e.dissolve ? 1 : 0;
  }
  CHECK(static_cast<double>(dissolves) / static_cast<double>(events.size()) ==
        doctest::Approx(0.4).epsilon(0.1));
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
}

TEST_CASE("bench decode: slides of folders, and of a list with captions") {
  const test::Folder folder;
  const std::string root = folder.path().string();
  folder.write("only/a.ppm", "x");
  CHECK_THROWS_AS(read_slides(root), Error);
  CHECK_THROWS_AS(StreamGenerator({.pictures = root}), Error);
  CHECK_THROWS_AS(StreamGenerator({.pictures = "/nowhere"}), Error);
  folder.write("other/b.ppm", "x");
  auto slides = read_slides(root);
  REQUIRE(slides.size() == 2);
  CHECK(slides[1].file == root + "/other/b.ppm");
  CHECK(slides[1].label == "other");
  CHECK(slides[1].caption == "other");

  folder.write("captions.jsonl",
               "{\"image\": \"only/a.ppm\", \"label\": \"cat\", \"caption\": \"a cat asleep\"}\n"
               "\n{\"image\": \"/abs/b.ppm\", \"label\": \"dog\"}\n");
  slides = read_slides(root);
  REQUIRE(slides.size() == 2);
  CHECK(slides[0].file == root + "/only/a.ppm");
  CHECK(slides[0].caption == "a cat asleep");
  CHECK(slides[1].file == "/abs/b.ppm");
  CHECK(slides[1].caption == "dog");
  for (const char* broken : {"{", "[]", "{\"image\": \"a\"}", "{\"image\": 1, \"label\": \"x\"}"}) {
    CAPTURE(broken);
    folder.write("captions.jsonl",
                 "{\"image\": \"a\", \"label\": \"x\"}\n" + std::string(broken) + "\n");
    CHECK_THROWS_WITH_AS(read_slides(root), doctest::Contains("captions.jsonl: line 2"), Error);
  }
}

namespace {

/// A stream of plain directions: one of `dim` axes for each event, 10 frames a second.
EmbeddedStream axes(const std::vector<StreamEvent>& events, size_t dim) {
  EmbeddedStream stream;
  stream.dim = dim;
  for (const StreamEvent& e : events) {
    for (int i = static_cast<int>(std::lround(e.start * 10));
         i < static_cast<int>(std::lround(e.end * 10)); ++i) {
      stream.times.push_back(i / 10.0);
      stream.rows.resize(stream.rows.size() + dim);
      stream.rows[stream.rows.size() - dim + std::stoul(e.label)] = 1;
    }
  }
  return stream;
}

void name_axis(std::span<const float> x, Spoken& out) {
  out.text = std::to_string(std::max_element(x.begin(), x.end()) - x.begin());
  out.caption = "axis number " + out.text;
}

}  // namespace

TEST_CASE("bench decode: policies on a stream that is easy") {
  std::vector<StreamEvent> events;
  for (int i = 0; i < 20; ++i) {
    const std::string label = std::to_string(i % 4);
    events.push_back({2.0 * i, 2.0 * i + 2, label, "axis number " + label, i % 2 == 1});
  }
  const EmbeddedStream stream = axes(events, 4);
  for (const std::string policy : {"ward", "cusum"}) {
    CAPTURE(policy);
    const PolicyRow row = run_policy(policy, 0, 0.95, stream, events, name_axis);
    CHECK(row.score == 1);
    CHECK(row.decodes == 20);
    CHECK(row.f1 == 1);
    CHECK(row.f1_cuts == 1.0);
    CHECK(row.f1_dissolves == 1.0);
    CHECK(row.delay.has_value() == (policy == "cusum"));
    const PolicyRow recalled = run_policy(policy + "+recall", 0, 0.95, stream, events, name_axis);
    CHECK(recalled.decodes == 4);  // each axis once
    CHECK(recalled.segments == 20);
    CHECK(recalled.score == 1);
    CHECK(recalled.cider == row.cider);
  }
  const PolicyRow truth = run_truth(stream, events, name_axis);
  CHECK(truth.decodes == 20);
  CHECK(truth.score == 1);
  CHECK(run_policy("uniform", 0.5, 0.95, stream, events, name_axis).decodes == 20);
  CHECK(run_policy("sampled", 0.25, 0.95, stream, events, name_axis).score == 0.5);
}

TEST_CASE("bench decode: decodes for a score, and streams as one") {
  const auto row = [](const char* policy, double rate, size_t decodes, double score) {
    PolicyRow r;
    r.policy = policy;
    r.rate = rate;
    r.decodes = decodes;
    r.score = score;
    return r;
  };
  const std::vector<PolicyRow> rows{row("uniform", 1, 100, 0.5), row("uniform", 2, 200, 0.9),
                                    row("sampled", 1, 100, 0.6), row("sampled", 2, 200, 0.8),
                                    row("ward", 1, 90, 0.9),     row("ward", 0.5, 40, 0.5)};
  const Metric score = &PolicyRow::score;
  CHECK(decodes_for(rows, "uniform", score, 0.7) == doctest::Approx(150));
  CHECK(decodes_for(rows, "ward", score, 0.7) == doctest::Approx(65));  // in any order
  CHECK(decodes_for(rows, "ward", score, 0.1) == doctest::Approx(40));
  CHECK_FALSE(decodes_for(rows, "ward", score, 0.95).has_value());
  CHECK_FALSE(decodes_for(rows, "cusum", score, 0.1).has_value());
  CHECK(fixed_score(rows, score, 1) == 0.6);
  CHECK(fixed_decodes_for(rows, score, 0.6) == doctest::Approx(100));
  CHECK(fixed_decodes_for(rows, score, 0.9) == doctest::Approx(200));
  std::vector<PolicyRow> more = rows;
  more[4].decodes = 110;
  more[4].score = 0.8;
  const auto pooled = pool({rows, more});
  CHECK(pooled.size() == rows.size());
  CHECK(pooled[4].decodes == 200);
  CHECK(pooled[4].score == doctest::Approx(0.85));
}
