#include <doctest/doctest.h>
#include <sterna/decoder/change.h>
#include <sterna/quant/error.h>

#include <limits>
#include <numeric>

#include "tests/decoder/streams.h"

using namespace sterna;
using namespace sterna::decoder;
using namespace sterna::test;

namespace {

using Floats = std::vector<float>;

CusumGate cusum(size_t dim, double rate = 0) {
  CusumGate::Config config;
  config.dim = dim;
  config.target_rate = rate;
  return CusumGate(config);
}

VarianceGate variance(size_t dim, double rate = 0) {
  ChangeConfig config;
  config.dim = dim;
  config.target_rate = rate;
  config.threshold = 0.15;
  return VarianceGate(config);
}

double dot(std::span<const float> a, std::span<const float> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// A stream of `seconds` each of some directions, exact and without noise.
SyntheticStream scenes(const std::vector<std::pair<size_t, double>>& parts, double fps) {
  SyntheticStream s;
  s.dim = 8;
  double end = 0;
  size_t i = 0;
  for (const auto& [direction, seconds] : parts) {
    end += seconds;
    for (; static_cast<double>(i) / fps < end - 1e-9; ++i) {
      s.times.push_back(static_cast<double>(i) / fps);
      Floats row(8, 0.5f);
      row[direction] = 2;
      s.embeddings.insert(s.embeddings.end(), row.begin(), row.end());
    }
  }
  return s;
}

void check_cover(const Found& found, const SyntheticStream& stream, double min_dwell) {
  REQUIRE(!found.segments.empty());
  CHECK(found.segments.front().first == 0);
  CHECK(found.segments.back().first + found.segments.back().frames == stream.times.size());
  for (size_t i = 0; i + 1 < found.segments.size(); ++i) {
    const Segment& s = found.segments[i];
    REQUIRE(s.end == found.segments[i + 1].start);
    REQUIRE(s.first + s.frames == found.segments[i + 1].first);
    REQUIRE(s.end - s.start >= min_dwell);
    REQUIRE(stream.times[s.first] == s.start);
  }
}

}  // namespace

TEST_CASE("change: boundaries of cuts and of dissolves are found in time") {
  for (const double dissolve : {0.0, 0.5, 1.0}) {
    for (const double fps : {5.0, 12.0, 30.0}) {
      for (const uint32_t seed : {1u, 2u}) {
        CAPTURE(dissolve);
        CAPTURE(fps);
        CAPTURE(seed);
        const auto stream = make_stream(
            {.seed = seed, .seconds = 120, .fps = fps, .jitter = 0.4, .dissolve = dissolve});
        auto gate = cusum(stream.dim);
        const Found found = watch(gate, stream);
        check_cover(found, stream, 0.5);
        CHECK(boundary_f1(stream.boundaries, found, 0.5) >= (dissolve > 0 ? 0.8 : 0.95));
        CHECK(found.slowest <= 1.0 + 1e-9);
      }
    }
  }
}

TEST_CASE("change: variance finds cuts where there is little noise") {
  for (const double fps : {5.0, 30.0}) {
    const auto stream = make_stream({.seconds = 120, .fps = fps, .noise = 0.1});
    auto gate = variance(stream.dim);
    const Found found = watch(gate, stream);
    check_cover(found, stream, 0.5);
    CHECK(boundary_f1(stream.boundaries, found, 0.5) >= 0.9);
    CHECK(found.slowest <= 1.0 + 1e-9);
  }
}

TEST_CASE("change: the threshold adapts to a target rate") {
  const auto stream = make_stream({.seconds = 900, .fps = 10, .noise = 0.2});
  const auto check = [&](Gate& gate, double rate) {
    CAPTURE(rate);
    const Found found = watch(gate, stream);
    check_cover(found, stream, 0.5);
    CHECK(static_cast<double>(found.segments.size()) / 900 == doctest::Approx(rate).epsilon(0.15));
  };
  for (const double rate : {0.1, 0.35}) {  // there are about 0.43 scenes a second
    auto a = cusum(stream.dim, rate);
    check(a, rate);
    auto b = variance(stream.dim, rate);
    check(b, rate);
  }
}

TEST_CASE("change: fewer decodes keep the large changes") {
  // Pairs of scenes that differ little (b, c) and much (a, others): a low rate keeps the latter.
  SyntheticStream stream;
  stream.dim = 4;
  std::vector<double> large;
  Normal normal(3);
  for (size_t i = 0; i < 4800; ++i) {  // 480 s; a change every 4 s, every second one is large
    const size_t scene = i / 40;
    if (i % 80 == 0 && i > 0) large.push_back(static_cast<double>(i) / 10);
    Floats row{scene % 4 < 2 ? 1.0f : 0.1f, scene % 4 < 2 ? 0.1f : 1.0f,
               scene % 2 == 0 ? 0.0f : 0.5f, static_cast<float>(0.02 * normal())};
    stream.times.push_back(static_cast<double>(i) / 10);
    stream.embeddings.insert(stream.embeddings.end(), row.begin(), row.end());
  }
  auto all = cusum(4);
  CHECK(watch(all, stream).segments.size() == 120);
  auto few = cusum(4, 0.125);
  const Found found = watch(few, stream);
  CHECK(boundary_f1(large, found, 0.2) > 0.9);
}

TEST_CASE("change: one scene is one segment") {
  const auto still = scenes({{0, 600.0}}, 10);
  auto a = cusum(8);
  CHECK(watch(a, still).segments.size() == 1);
  auto b = variance(8);
  CHECK(watch(b, still).segments.size() == 1);
  // Noise without change, also at other rates of frames.
  for (const double fps : {2.0, 10.0, 30.0}) {
    const auto noisy = make_stream(
        {.seconds = 60, .fps = fps, .median = 1e9, .shortest = 10, .noise = 0.5, .wander = 0});
    SyntheticStream first = noisy;
    const auto end = static_cast<size_t>(9.9 * fps);
    first.times.resize(end);
    first.embeddings.resize(end * first.dim);
    auto c = cusum(noisy.dim);
    CAPTURE(fps);
    CHECK(watch(c, first).segments.size() == 1);
  }
}

TEST_CASE("change: a flash or a single broken picture changes nothing") {
  const auto stream = scenes({{0, 5}, {3, 0.2}, {0, 5}, {1, 5}}, 10);
  auto gate = cusum(8);
  const Found found = watch(gate, stream);
  REQUIRE(found.segments.size() == 2);
  CHECK(found.segments[1].start == doctest::Approx(10.2));
}

TEST_CASE("change: slow drift is followed, not reported") {
  SyntheticStream stream;
  stream.dim = 2;
  for (size_t i = 0; i < 36000; ++i) {  // an hour; a quarter turn
    const double angle = static_cast<double>(i) / 36000 * 1.57;
    stream.times.push_back(static_cast<double>(i) / 10);
    stream.embeddings.push_back(static_cast<float>(std::cos(angle)));
    stream.embeddings.push_back(static_cast<float>(std::sin(angle)));
  }
  auto gate = cusum(2);
  CHECK(watch(gate, stream).segments.size() == 1);
}

TEST_CASE("change: scenes weigh by time, not by frames") {
  const std::vector<std::pair<size_t, double>> parts{{0, 4}, {1, 2}, {2, 3}, {0, 1.5}, {4, 6}};
  const double truth[] = {0, 4, 6, 9, 10.5};
  for (const double fps : {4.0, 10.0, 24.0, 60.0, 400.0}) {
    CAPTURE(fps);
    auto gate = cusum(8);
    const Found found = watch(gate, scenes(parts, fps));
    REQUIRE(found.segments.size() == 5);
    for (size_t i = 0; i < 5; ++i) {
      CHECK(std::abs(found.segments[i].start - truth[i]) <= std::max(1 / fps, 1.0 / 32) + 1e-9);
    }
    CHECK(found.slowest <= 1.0 + 1e-9);
    // The average is that of its scene, but for the frames of one tick.
    Floats scene(8, 0.5f), unit(8);
    scene[4] = 2;
    normalise(scene, unit);
    CHECK(dot(found.averages[4], unit) > 0.999);
    CHECK(dot(found.averages[4], found.averages[4]) == doctest::Approx(1));
  }
  // A change that the stream's end leaves just time for.
  auto last = cusum(8);
  CHECK(watch(last, scenes({{0, 4}, {1, 2}, {2, 2}}, 0.5)).segments.size() == 3);
  // Frames rarer than the window: found with the next frame.
  auto gate = cusum(8);
  const Found slow = watch(gate, scenes({{0, 20}, {1, 12}}, 0.5));
  REQUIRE(slow.segments.size() == 2);
  CHECK(slow.segments[1].start == 20);
  CHECK(slow.slowest == 2);
}

TEST_CASE("change: the statistic is what its definition says") {
  const auto stream = make_stream({.dim = 9,
                                   .seconds = 10,
                                   .fps = 10,
                                   .median = 1e9,
                                   .shortest = 10,
                                   .noise = 0.4,
                                   .wander = 0.4});
  CusumGate::Config config;
  config.dim = 9;
  config.threshold = 100;  // never splits
  config.memory = 1e12;    // never forgets
  config.window = 0.55;
  CusumGate gate(config);
  ChangeConfig plain = config;
  VarianceGate windowed(plain);
  for (size_t i = 0; i < stream.times.size(); ++i) {
    gate.push(stream.times[i], stream.frame(i));
    windowed.push(stream.times[i], stream.frame(i));
    if (i == 0) continue;
    const auto sum = [&](size_t first, size_t last) {
      std::vector<double> s(9);
      for (size_t k = first; k < last; ++k) {
        for (size_t j = 0; j < 9; ++j) s[j] += 0.1 * static_cast<double>(stream.frame(k)[j]);
      }
      double squares = 0;
      for (const double v : s) squares += v * v;
      return std::sqrt(squares);
    };
    double best = 0;
    const size_t oldest = i >= 5 ? i - 5 : 0;                    // within 0.55 s
    for (size_t k = std::max<size_t>(oldest, 5); k <= i; ++k) {  // 0.5 s for the first part
      best = std::max(best, 2 * (sum(0, k) + sum(k, i + 1) - sum(0, i + 1)));
    }
    // Sums of at most 100 floats of unit length: float rounding 1e-7 of 10 s, twice.
    REQUIRE(std::abs(gate.statistic() - best) < 1e-5);
    const double weight = 0.1 * static_cast<double>(i + 1 - oldest);
    const double mean = sum(oldest, i + 1) / weight;
    REQUIRE(std::abs(windowed.statistic() - (1 - mean * mean)) < 1e-5);
  }
}

TEST_CASE("change: averages are those of the segment's frames") {
  const auto stream = make_stream({.dim = 16, .seconds = 60, .fps = 16});
  auto gate = cusum(16);
  const Found found = watch(gate, stream);
  REQUIRE(found.segments.size() > 10);
  for (const Segment& s : found.segments) {
    std::vector<double> sum(16);
    for (size_t i = s.first; i < s.first + s.frames; ++i) {
      for (size_t j = 0; j < 16; ++j) sum[j] += static_cast<double>(stream.frame(i)[j]);
    }
    double squares = 0;
    for (const double v : sum) squares += v * v;
    for (size_t j = 0; j < 16; ++j) {
      CHECK(s.average[j] == doctest::Approx(sum[j] / std::sqrt(squares)).epsilon(1e-4));
    }
    CHECK(s.cohesion ==
          doctest::Approx(std::sqrt(squares) / static_cast<double>(s.frames)).epsilon(1e-4));
  }
}

TEST_CASE("change: invalid frames are left out") {
  auto stream = scenes({{0, 3}, {1, 3}}, 10);
  auto clean = cusum(8);
  const Found expected = watch(clean, stream);
  for (const size_t i : {7u, 29u, 30u, 45u}) {
    stream.embeddings[i * 8 + 3] = std::numeric_limits<float>::quiet_NaN();
  }
  for (size_t j = 0; j < 8; ++j) stream.embeddings[8 * 8 + j] = 0;
  stream.times[50] = std::numeric_limits<double>::infinity();
  auto gate = cusum(8);
  const Found found = watch(gate, stream);
  REQUIRE(found.segments.size() == 2);
  CHECK(expected.segments[1].first == 30);
  CHECK(found.segments[1].first == 31);  // the first frame of the scene that is valid
  CHECK(found.segments[1].frames == 29);
  CHECK(found.averages == expected.averages);
  auto nothing = cusum(8);
  CHECK(nothing.push(0, Floats(8, 0.0f)) == Push::invalid);
  nothing.finish();
  CHECK(nothing.next() == nullptr);
}

TEST_CASE("change: a clock that runs backwards or stands still") {
  auto stream = scenes({{0, 5}, {1, 5}, {2, 5}}, 10);
  for (size_t i = 75; i < stream.times.size(); ++i) stream.times[i] -= 7.5;  // lost, found again
  auto gate = cusum(8);
  const Found found = watch(gate, stream);
  REQUIRE(found.segments.size() == 3);
  CHECK(found.segments[1].start == doctest::Approx(5));
  CHECK(found.segments[2].start == doctest::Approx(10));
  CHECK(found.segments[2].end == doctest::Approx(15));
  // Without stamps nothing can be told apart in time, but nothing breaks.
  for (double& t : stream.times) t = 4;
  auto still = cusum(8);
  const Found one = watch(still, stream);
  REQUIRE(one.segments.size() == 1);
  CHECK(one.segments[0].frames == 150);
  CHECK(one.segments[0].start == one.segments[0].end);
}

TEST_CASE("change: the same frames give the same bits") {
  const auto stream = make_stream({.seconds = 40});
  auto a = cusum(stream.dim, 0.3), b = cusum(stream.dim, 0.3);
  const Found x = watch(a, stream), y = watch(b, stream);
  CHECK(x.averages == y.averages);
  CHECK(x.segments.size() > 5);
}

TEST_CASE("change: a configuration out of range is named") {
  const auto fault = [](auto change) -> std::string {
    CusumGate::Config config;
    config.dim = 4;
    change(config);
    try {
      CusumGate gate(config);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  using Config = CusumGate::Config;
  CHECK(fault([](Config&) {}) == "");
  CHECK(fault([](Config& c) { c.dim = 0; }) == "gate: expected a width of 1 or more, found 0");
  CHECK(fault([](Config& c) { c.window = 0; }) ==
        "gate: window: expected a positive number, found 0.000000");
  CHECK(fault([](Config& c) { c.min_dwell = -1; }).find("min_dwell") != std::string::npos);
  CHECK(fault([](Config& c) { c.ticks = 1; }).find("ticks") != std::string::npos);
  CHECK(fault([](Config& c) { c.threshold = std::nan(""); }).find("threshold") !=
        std::string::npos);
  CHECK(fault([](Config& c) { c.hysteresis = 1.5; }).find("hysteresis") != std::string::npos);
  CHECK(fault([](Config& c) { c.target_rate = -1; }).find("target_rate") != std::string::npos);
  CHECK(fault([](Config& c) { c.memory = 0; }).find("memory") != std::string::npos);
  CHECK(fault([](Config& c) { c.settled = 0; }).find("settled") != std::string::npos);
  CHECK(fault([](Config& c) { c.noise_factor = -1; }).find("noise_factor") != std::string::npos);
  auto gate = cusum(4);
  CHECK_THROWS_AS(gate.push(0, Floats(3, 1.0f)), Error);
}
