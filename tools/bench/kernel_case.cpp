#include "bench/kernel_case.h"

#include <sterna/quant/half.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "bench/limits.h"

namespace sterna::cli {

namespace {

constexpr double kSlice = 0.008;  // seconds a measurement lasts at least

}  // namespace

const std::byte* bench_weights(nn::Workspace& memory) {
  std::byte* p = memory.bytes(kBenchMemory);
  std::mt19937_64 rng(1);
  for (size_t i = 0; i < kBenchMemory; i += 8) {
    uint64_t v = rng();
    v = (v & 0x83ff83ff83ff83ffull) | 0x3c003c003c003c00ull;
    std::memcpy(p + i, &v, 8);
  }
  return p;
}

KernelCase::KernelCase(const std::byte* memory, quant::Type type, quant::Isa isa, size_t m,
                       size_t k, size_t n, size_t span_bytes)
    : type_(type), isa_(isa), m_(m), k_(k), n_(n), scale_(m, quant::f32_to_f16(1)) {
  const size_t bytes = quant::weight_bytes(type, m, k);
  const size_t copies = std::max<size_t>(1, span_bytes / bytes);
  for (size_t i = 0; i < copies; ++i) {
    quant::WeightView w{type, m, k, {memory + i * bytes, bytes}, {}, 0};
    if (quant::is_integer(type)) w.scale = scale_;
    maps_.emplace_back(w, std::span<const float>{}, isa);
  }
  std::mt19937 rng(2);
  std::normal_distribution<float> normal;
  x_ = workspace_.array<float>(n * k);
  for (auto& v : x_) v = normal(rng);
  y_ = workspace_.array<float>(n * m);
  scratch_ = workspace_.bytes(maps_[0].scratch_bytes(n));
}

double KernelCase::measure(const nn::Executor& executor) {
  size_t done = 0;
  const double start = bench_seconds(executor.threads());
  double seconds = 0;
  do {
    run(executor, maps_[next_++ % maps_.size()]);
    ++done;
    seconds = bench_seconds(executor.threads()) - start;
  } while (seconds < kSlice);
  return static_cast<double>(done) / seconds;
}

double KernelCase::gops(double rate) const {
  return 2e-9 * static_cast<double>(m_) * static_cast<double>(k_) * static_cast<double>(n_) * rate;
}

double KernelCase::gbps(double rate) const {
  return 1e-9 * static_cast<double>(quant::weight_bytes(type_, m_, k_)) * rate;
}

void KernelCase::run(const nn::Executor& executor, const quant::Linear& map) {
  if (n_ < 8) {
    map.prepare(x_.data(), k_, n_, scratch_);
  } else {
    executor.for_ranges(n_, map.token_tile(n_), [&](size_t begin, size_t end) {
      map.prepare(x_.data(), k_, n_, scratch_, begin, end);
    });
  }
  executor.for_ranges(m_, map.row_tile(), [&](size_t begin, size_t end) {
    map.run(scratch_, n_, begin, end, y_.data(), m_);
  });
}

}  // namespace sterna::cli
