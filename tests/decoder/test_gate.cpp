#include <doctest/doctest.h>
#include <sterna/decoder/gate.h>
#include <sterna/quant/error.h>

#include <limits>

#include "tests/decoder/streams.h"

using namespace sterna;
using namespace sterna::decoder;
using namespace sterna::test;

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
using Floats = std::vector<float>;

SyntheticStream stream_of(const std::vector<double>& times, const std::vector<Floats>& rows) {
  SyntheticStream s;
  s.dim = rows.at(0).size();
  s.times = times;
  for (const Floats& row : rows) s.embeddings.insert(s.embeddings.end(), row.begin(), row.end());
  return s;
}

}  // namespace

TEST_CASE("clock: never runs backwards") {
  StreamClock clock;
  CHECK(clock.advance(7) == 7);
  CHECK(clock.step() == 0);
  CHECK(clock.advance(7.5) == 7.5);
  CHECK(clock.advance(7.5) == 7.5);  // a stamp that repeats
  CHECK(clock.step() == 0);
  CHECK(clock.advance(0) == 8);  // began anew: as late as the frame before
  CHECK(clock.step() == 0.5);
  CHECK(clock.advance(0.25) == 8.25);
  CHECK(clock.advance(-3) == 8.5);
  CHECK(clock.advance(97) == 108.5);  // a gap
}

TEST_CASE("normalise: any finite length, and nothing else") {
  Floats out(2, 9);
  for (const float scale : {1.0f, 1e-30f, 1e30f, 1e-42f}) {
    REQUIRE(normalise(Floats{3 * scale, -4 * scale}, out));
    CHECK(out[0] == doctest::Approx(0.6).epsilon(0.002));  // 1e-42 has three digits
    CHECK(out[1] == doctest::Approx(-0.8).epsilon(0.002));
  }
  out = {9, 9};
  CHECK_FALSE(normalise(Floats{0, 0}, out));
  CHECK_FALSE(normalise(Floats{1, kNaN}, out));
  CHECK_FALSE(normalise(Floats{kInfinity, 1}, out));
  CHECK(out == Floats{9, 9});
}

TEST_CASE("uniform gate: a segment every period, whatever is seen") {
  const auto stream = stream_of({0, 0.5, 1.0, 1.5, 2.0, 7.25, 7.5},
                                {{1, 0}, {0, 1}, {1, 0}, {2, 0}, {1, 0}, {0, 5}, {0, 1}});
  UniformGate gate(2, 1.0);
  const Found found = watch(gate, stream);
  REQUIRE(found.segments.size() == 4);
  const double starts[] = {0, 1, 2, 7.25}, ends[] = {1, 2, 7.25, 7.75};
  const size_t first[] = {0, 2, 4, 5}, frames[] = {2, 2, 1, 2};
  for (size_t i = 0; i < 4; ++i) {
    CHECK(found.segments[i].start == starts[i]);
    CHECK(found.segments[i].end == ends[i]);
    CHECK(found.segments[i].first == first[i]);
    CHECK(found.segments[i].frames == frames[i]);
  }
  CHECK(found.averages[0][0] == doctest::Approx(std::sqrt(0.5)));
  CHECK(found.segments[0].cohesion == doctest::Approx(std::sqrt(0.5)));
  CHECK(found.averages[1] == Floats{1, 0});
  CHECK(found.segments[1].cohesion == 1);
}

TEST_CASE("uniform gate: the period does not drift, invalid frames do not count") {
  UniformGate gate(1, 1.0);
  std::vector<size_t> first;
  for (int i = 0; i < 30; ++i) {  // 0.3 s apart: segments start at 0, 1.2, 2.1, 3.0, 4.2, ...
    CHECK(gate.push(0.3 * i, Floats{i % 7 == 0 ? kNaN : 1.0f}) ==
          (i % 7 == 0 ? Push::invalid : Push::taken));
    while (const Segment* s = gate.next()) first.push_back(s->first);
  }
  gate.finish();
  while (const Segment* s = gate.next()) first.push_back(s->first);
  // The first valid frame is number 1 (0.3 s), so periods start at 0.3 + k: frames 5 (1.5 s), ...
  REQUIRE(first.size() == 9);
  CHECK(first[0] == 1);
  for (size_t k = 1; k < first.size(); ++k) {
    size_t expected = static_cast<size_t>(std::ceil((0.3 + static_cast<double>(k)) / 0.3 - 1e-9));
    if (expected % 7 == 0) ++expected;
    CHECK(first[k] == expected);
  }
}

TEST_CASE("Ward gate: its segments are the tree's, weighed by time") {
  const auto stream = make_stream({.seconds = 60, .fps = 5});
  WardGate gate(stream.dim, {.rate = 0.5, .cost = {}});
  const Found found = watch(gate, stream);
  CHECK(found.segments.size() == 29);  // of 59.8 s
  CHECK(found.segments.front().first == 0);
  for (size_t i = 0; i + 1 < found.segments.size(); ++i) {
    CHECK(found.segments[i].end == found.segments[i + 1].start);
    CHECK(found.segments[i].first + found.segments[i].frames == found.segments[i + 1].first);
  }
  CHECK(found.segments.back().first + found.segments.back().frames == stream.times.size());
  CHECK(boundary_f1(stream.boundaries, found, 0.5) > 0.9);

  // The same stream with every frame of one half sent three times: the same segments.
  SyntheticStream dense = stream;
  dense.times.clear();
  dense.embeddings.clear();
  for (size_t i = 0; i < stream.times.size(); ++i) {
    for (int copy = 0; copy < (i < 150 ? 3 : 1); ++copy) {
      dense.times.push_back(stream.times[i] + copy * 0.2 / 3);
      dense.embeddings.insert(dense.embeddings.end(), stream.frame(i).begin(),
                              stream.frame(i).end());
    }
  }
  WardGate again(stream.dim, {.rate = 0.5, .cost = {}});
  const Found dense_found = watch(again, dense);
  REQUIRE(dense_found.segments.size() == found.segments.size());
  for (size_t i = 0; i < found.segments.size(); ++i) {
    CHECK(dense_found.segments[i].start == doctest::Approx(found.segments[i].start));
  }
}

TEST_CASE("gates: broken streams and empty ones") {
  const auto stream = stream_of({5, std::nan(""), 5.5, 6, 0.5, 1},
                                {{1, 0}, {1, 0}, {kNaN, 0}, {1, 0}, {0, 0}, {0, 1}});
  WardGate ward(2, {.rate = {}, .cost = 0.1});
  const Found found = watch(ward, stream);
  REQUIRE(found.segments.size() == 2);
  CHECK(found.segments[0].first == 0);
  CHECK(found.segments[0].frames == 5);  // the invalid ones belong to it
  CHECK(found.segments[0].start == 5);
  CHECK(found.segments[0].end == 7);  // the clock went back: as late as the frame before
  CHECK(found.segments[1].first == 5);
  CHECK(found.segments[1].end == 8);

  UniformGate empty(2, 1);
  empty.finish();
  CHECK(empty.next() == nullptr);
  WardGate nothing(2, {.rate = 1.0, .cost = {}});
  CHECK(nothing.push(0, Floats{0, 0}) == Push::invalid);
  nothing.finish();
  CHECK(nothing.next() == nullptr);
  WardGate one(2, {.rate = 1.0, .cost = {}});
  one.push(3, Floats{0, 2});
  one.finish();
  const Segment* s = one.next();
  REQUIRE(s != nullptr);
  CHECK(s->frames == 1);
  CHECK(s->start == 3);
  CHECK(s->end == 3);
  CHECK(Floats(s->average.begin(), s->average.end()) == Floats{0, 1});
}

TEST_CASE("gates: misuse is named") {
  CHECK_THROWS_WITH_AS(UniformGate(0, 1), "gate: expected a width of 1 or more, found 0", Error);
  CHECK_THROWS_AS(UniformGate(4, 0), Error);
  CHECK_THROWS_AS(UniformGate(4, std::nan("")), Error);
  CHECK_THROWS_AS(WardGate(4, {}), Error);
  CHECK_THROWS_AS(WardGate(4, {.rate = 1.0, .cost = 1.0}), Error);
  CHECK_THROWS_AS(WardGate(4, {.rate = -1.0, .cost = {}}), Error);
  CHECK_THROWS_AS(WardGate(4, {.rate = {}, .cost = std::nan("")}), Error);
  UniformGate gate(1, 1);
  CHECK_THROWS_WITH_AS(gate.push(0, Floats{1, 2}),
                       "gate: expected an embedding of 1 numbers, found 2", Error);
  gate.push(0, Floats{1});
  gate.push(2, Floats{1});
  CHECK_THROWS_WITH_AS(gate.push(3, Floats{1}),
                       "gate: a segment has ended and was not taken before this frame", Error);
  CHECK(gate.next() != nullptr);
  gate.push(2.5, Floats{1});
  gate.finish();
  gate.finish();
  CHECK(gate.next() != nullptr);
  CHECK(gate.next() == nullptr);
  CHECK_THROWS_WITH_AS(gate.push(4, Floats{1}),
                       "gate: expected no frames after the end of the stream, found one", Error);
}
