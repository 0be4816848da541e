#pragma once

#include <sterna/decoder/gate.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <random>
#include <vector>

// Streams of embeddings whose changes are known.
namespace sterna::test {

/// Normal numbers that are the same with every standard library.
class Normal {
 public:
  explicit Normal(uint32_t seed) : random_(seed) {}
  double uniform() { return (static_cast<double>(random_()) + 0.5) / 4294967296.0; }
  double operator()() {
    return std::sqrt(-2 * std::log(uniform())) * std::cos(2 * std::numbers::pi * uniform());
  }

 private:
  std::mt19937 random_;
};

struct StreamSpec {
  uint32_t seed = 1;
  size_t dim = 64;
  double seconds = 300;
  double fps = 15;
  double jitter = 0;      // share of a frame's time by which stamps vary
  double median = 1.8;    // seconds of a scene, log-normal, clipped to [shortest, 10]
  double shortest = 0.5;  // seconds
  double dissolve = 0;    // seconds a change takes
  double alike = 0.4;     // cosine of two scenes, about
  double noise = 0.3;     // length of what changes from frame to frame
  double wander = 0.2;    // length of what changes slowly (about 1 s)
};

struct SyntheticStream {
  size_t dim = 0;
  std::vector<double> times;
  std::vector<float> embeddings;   // [times, dim]
  std::vector<double> boundaries;  // middle of each change
  std::vector<double> starts;      // of scenes: 0 and the boundaries
  std::span<const float> frame(size_t i) const {
    return std::span(embeddings).subspan(i * dim, dim);
  }
};

inline std::vector<double> unit(std::vector<double> x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  for (double& v : x) v /= std::sqrt(sum);
  return x;
}

inline SyntheticStream make_stream(const StreamSpec& spec) {
  Normal normal(spec.seed);
  SyntheticStream s;
  s.dim = spec.dim;
  const auto direction = [&] {
    std::vector<double> x(spec.dim);
    for (double& v : x) v = normal();
    return unit(x);
  };
  const std::vector<double> common = direction();
  std::vector<std::vector<double>> scenes;
  for (double t = 0; t < spec.seconds;) {
    s.starts.push_back(t);
    if (t > 0) s.boundaries.push_back(t);
    std::vector<double> scene = direction();
    for (size_t j = 0; j < spec.dim; ++j) {
      scene[j] = std::sqrt(1 - spec.alike) * scene[j] + std::sqrt(spec.alike) * common[j];
    }
    scenes.push_back(scene);
    t += std::clamp(spec.median * std::exp(0.7 * normal()), spec.shortest, 10.0);
  }
  const double each = 1 / std::sqrt(static_cast<double>(spec.dim));
  const double keep = std::exp(-1 / spec.fps);
  std::vector<double> wander(spec.dim, 0.0);
  for (size_t i = 0; static_cast<double>(i) / spec.fps < spec.seconds; ++i) {
    const double time =
        (static_cast<double>(i) + spec.jitter * (normal.uniform() - 0.5)) / spec.fps;
    size_t at = 0;
    while (at + 1 < s.starts.size() && s.starts[at + 1] <= time) ++at;
    // How much of the scene before or after is mixed in.
    const double since = time - s.starts[at];
    const double until = at + 1 < s.starts.size() ? s.starts[at + 1] - time : 1e9;
    size_t other = at;
    double share = 0;
    if (spec.dissolve > 0 && at > 0 && since < spec.dissolve / 2 && since <= until) {
      other = at - 1;
      share = 0.5 - since / spec.dissolve;
    } else if (spec.dissolve > 0 && until < spec.dissolve / 2) {
      other = at + 1;
      share = 0.5 - until / spec.dissolve;
    }
    std::vector<double> x(spec.dim);
    for (size_t j = 0; j < spec.dim; ++j) {
      wander[j] = keep * wander[j] + std::sqrt(1 - keep * keep) * spec.wander * each * normal();
      x[j] = (1 - share) * scenes[at][j] + share * scenes[other][j] + wander[j] +
             spec.noise * each * normal();
    }
    s.times.push_back(time);
    for (const double v : unit(x)) s.embeddings.push_back(static_cast<float>(v));
  }
  return s;
}

struct Found {
  std::vector<decoder::Segment> segments;  // averages point into `averages`
  std::vector<std::vector<float>> averages;
  std::vector<double> delays;  // seconds from each boundary to the frame that told of it
  double slowest = 0;
};

/// Runs a whole stream through a gate.
inline Found watch(decoder::Gate& gate, const SyntheticStream& stream) {
  Found found;
  const auto take = [&](double now) {
    while (const decoder::Segment* s = gate.next()) {
      found.segments.push_back(*s);
      found.averages.emplace_back(s->average.begin(), s->average.end());
      found.delays.push_back(now - s->end);
    }
  };
  for (size_t i = 0; i < stream.times.size(); ++i) {
    gate.push(stream.times[i], stream.frame(i));
    take(stream.times[i]);
  }
  gate.finish();
  take(stream.times.empty() ? 0 : stream.times.back());
  for (size_t i = 0; i < found.segments.size(); ++i) found.segments[i].average = found.averages[i];
  for (size_t i = 0; i + 1 < found.delays.size(); ++i) {
    found.slowest = std::max(found.slowest, found.delays[i]);
  }
  return found;
}

/// F1 of boundaries, each true one matched with at most one found within `tolerance` seconds.
inline double boundary_f1(const std::vector<double>& truth, const Found& found, double tolerance) {
  size_t hits = 0, next = 0;
  const size_t count = found.segments.empty() ? 0 : found.segments.size() - 1;
  for (const double t : truth) {  // both ascend: taking the earliest that fits is the best matching
    while (next < count && found.segments[next].end < t - tolerance) ++next;
    if (next < count && found.segments[next].end <= t + tolerance) {
      ++hits;
      ++next;
    }
  }
  const double all = static_cast<double>(truth.size() + count);
  return all == 0 ? 1 : 2 * static_cast<double>(hits) / all;
}

}  // namespace sterna::test
