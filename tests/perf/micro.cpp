// Micro-benchmarks (Google Benchmark) of what is neither a product nor a whole: norms, softmax,
// activations, attention, resizing, tokens of texts, and the gates of selective decoding.
//   perf_micro [--benchmark_filter=attention] [--benchmark_repetitions=9] [--benchmark_format=json]
// Each row of elements runs on one thread, once for every instruction set of this CPU; bytes are
// those read and written, items frames or texts. What a machine can do beside it: `sterna bench
// kernels`.
#include <benchmark/benchmark.h>
#include <sterna/decoder/change.h>
#include <sterna/nn/activation.h>
#include <sterna/nn/attention.h>
#include <sterna/nn/norm.h>
#include <sterna/vision/resize.h>

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

using namespace sterna;
using quant::Isa;

namespace {

std::vector<float> normal(size_t n) {
  std::mt19937 random(1);
  std::normal_distribution<float> d;
  std::vector<float> v(n);
  for (float& x : v) x = d(random);
  return v;
}

/// f(x, y) over rows [t, d] that lie in the level-2 cache.
void rows(benchmark::State& state, size_t t, size_t d,
          const std::function<void(nn::Mat<const float>, nn::Mat<float>)>& f) {
  const std::vector<float> x = normal(t * d);
  std::vector<float> y(t * d);
  for (auto _ : state) {
    f({x.data(), t, d}, {y.data(), t, d});
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(2 * t * d * sizeof(float)));
}

/// `heads` heads over t tokens; operations 4 t^2 heads dim.
void attention(benchmark::State& state, size_t t, size_t heads, size_t dim, bool bf16, Isa isa) {
  const size_t d = heads * dim;
  const std::vector<float> qkv = normal(t * 3 * d);
  std::vector<float> out(t * d);
  const std::vector<uint32_t> starts = {0, static_cast<uint32_t>(t)};
  const auto part = [&](size_t i) {
    return nn::Mat<const float>(qkv.data() + i * d, t, d, 3 * d);
  };
  const nn::Executor executor(1);
  nn::Workspace workspace;
  const nn::GroupedAttention kind{heads, heads, 0.125F, {}, bf16};
  for (auto _ : state) {
    nn::attention(part(0), part(1), part(2), kind, {starts, {}, {}}, {out.data(), t, d}, executor,
                  workspace, isa);
    benchmark::ClobberMemory();
  }
  state.counters["FLOPS"] = benchmark::Counter(4.0 * static_cast<double>(t * t * d),
                                               benchmark::Counter::kIsIterationInvariantRate);
}

void resize(benchmark::State& state, Isa isa) {
  const vision::Image picture{640, 480, std::vector<uint8_t>(640 * 480 * 3, 77)};
  std::vector<uint8_t> out(288 * 288 * 3);
  nn::Workspace workspace;
  const nn::Executor executor(1);
  for (auto _ : state) {
    vision::resize_window(picture.view(), 288, 288, vision::Filter::bicubic, {0, 0, 288, 288},
                          out.data(), workspace, &executor, isa);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(picture.rgb.size()));
}

/// A gate on embeddings of scenes of about 2 s with a direction each, and noise on every frame.
void gate(benchmark::State& state,
          const std::function<std::unique_ptr<decoder::Gate>(size_t)>& make) {
  constexpr size_t frames = 2000, dim = 384;
  std::mt19937 random(1);
  std::vector<float> all = normal(frames * dim), scene(dim);
  for (size_t i = 0; i < frames; ++i) {
    if (i == 0 || random() % 16 == 0)
      std::copy_n(all.begin() + static_cast<long>(i * dim), dim, scene.begin());
    for (size_t j = 0; j < dim; ++j) all[i * dim + j] = scene[j] + 0.3F * all[i * dim + j];
  }
  for (auto _ : state) {
    const auto one = make(dim);
    for (size_t i = 0; i < frames; ++i) {
      one->push(static_cast<double>(i) / 8, std::span(all).subspan(i * dim, dim));
      while (one->next() != nullptr) {
      }
    }
    one->finish();
    while (one->next() != nullptr) {
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(frames));
}

void add_rows(Isa isa) {
  const std::string set = "/" + std::string(quant::name(isa));
  const auto add = [&](const std::string& name, auto f) {
    benchmark::RegisterBenchmark((name + set).c_str(),
                                 [f](benchmark::State& state) { rows(state, 64, 768, f); });
  };
  const auto one = std::make_shared<nn::Executor>(1);
  const auto gain = std::make_shared<std::vector<float>>(normal(768));
  add("layer_norm", [=](auto x, auto y) { nn::layer_norm(x, *gain, *gain, 1e-6F, y, *one, isa); });
  add("rms_norm", [=](auto x, auto y) { nn::rms_norm(x, *gain, 1e-6F, y, *one, isa); });
  add("softmax", [=](auto x, auto y) { nn::softmax(x, y, *one, isa); });
  add("gelu", [=](auto x, auto y) { nn::activate(nn::Activation::gelu, x, y, *one, isa); });
  add("silu", [=](auto x, auto y) { nn::activate(nn::Activation::silu, x, y, *one, isa); });
  // ViT-B's, and the smallest sequences that bf16 is used for at all, where it should be no slower.
  struct Shape {
    size_t t, heads, dim;
  };
  for (const auto [t, heads, dim] : {Shape{197, 12, 64}, Shape{97, 4, 16}, Shape{49, 4, 32},
                                     Shape{33, 4, 48}, Shape{25, 4, 64}, Shape{13, 4, 128}}) {
    const std::string shape = "/" + std::to_string(t) + "x" + std::to_string(dim);
    for (const bool bf16 : {false, true}) {
      benchmark::RegisterBenchmark(
          ((bf16 ? "attention_bf16" : "attention_f32") + shape + set).c_str(),
          [t = t, heads = heads, dim = dim, bf16, isa](benchmark::State& state) {
            attention(state, t, heads, dim, bf16, isa);
          });
    }
  }
  benchmark::RegisterBenchmark(("resize_bicubic" + set).c_str(),
                               [=](benchmark::State& state) { resize(state, isa); });
}

}  // namespace

int main(int argc, char** argv) {
  for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512, Isa::amx, Isa::neon})
    if (quant::has_isa(isa)) add_rows(isa);
  const auto add_gate = [](const char* name, auto make) {
    benchmark::RegisterBenchmark(name, [make](benchmark::State& state) { gate(state, make); })
        ->Unit(benchmark::kMillisecond);
  };
  decoder::CusumGate::Config config;
  add_gate("gate_ward", [](size_t dim) {
    return std::make_unique<decoder::WardGate>(dim, decoder::WardCut{0.5, std::nullopt, 1});
  });
  add_gate("gate_cusum", [config](size_t dim) mutable {
    config.dim = dim;
    return std::make_unique<decoder::CusumGate>(config);
  });
  add_gate("gate_variance", [config](size_t dim) mutable {
    config.dim = dim;
    return std::make_unique<decoder::VarianceGate>(config);
  });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
