// Times the gates of selective decoding on a long stream of embeddings: one JSON object a line, in
// seconds of the processor (all are of one thread), so that other work on the machine adds little.
//   perf_stream [FRAMES] [WIDTH]
#include <sterna/decoder/change.h>
#include <sterna/quant/error.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <random>
#include <span>
#include <vector>

using namespace sterna;

namespace {

constexpr double kFps = 8;

/// Scenes of about 2 s with a direction each, and noise on every frame. [frames, dim]
std::vector<float> scenes(size_t frames, size_t dim) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> scene(dim), rows(frames * dim);
  const float noise = 0.3f;
  for (size_t i = 0; i < frames; ++i) {
    if (i == 0 || random() % 16 == 0) {
      for (float& v : scene) v = normal(random);
    }
    for (size_t j = 0; j < dim; ++j) rows[i * dim + j] = scene[j] + noise * normal(random);
  }
  return rows;
}

void measure(const char* name, decoder::Gate& gate, const std::vector<float>& rows, size_t dim) {
  const std::clock_t start = std::clock();
  const size_t frames = rows.size() / dim;
  size_t segments = 0;
  const auto take = [&] {
    while (gate.next() != nullptr) ++segments;
  };
  for (size_t i = 0; i < frames; ++i) {
    gate.push(static_cast<double>(i) / kFps, std::span(rows).subspan(i * dim, dim));
    take();
  }
  gate.finish();
  take();
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  std::printf("{\"gate\": \"%s\", \"frames\": %zu, \"dim\": %zu, \"segments\": %zu, \"s\": %.3f}\n",
              name, frames, dim, segments, seconds);
}

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int i, long fallback) {
    return static_cast<size_t>(argc > i ? std::strtol(argv[i], nullptr, 10) : fallback);
  };
  const size_t frames = argument(1, 100000), dim = argument(2, 384);
  if (frames == 0 || dim == 0 || frames > 100000000 || dim > 65536) {
    std::fprintf(stderr, "usage: perf_stream [FRAMES] [WIDTH]\n");
    return 2;
  }
  try {
    const std::vector<float> rows = scenes(frames, dim);
    decoder::WardGate ward(dim, {0.5, std::nullopt, 1});
    measure("ward", ward, rows, dim);
    decoder::CusumGate::Config config;
    config.dim = dim;
    decoder::CusumGate cusum(config);
    measure("cusum", cusum, rows, dim);
    decoder::VarianceGate variance(config);
    measure("variance", variance, rows, dim);
    return 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "perf_stream: %s\n", error.what());
    return 1;
  }
}
