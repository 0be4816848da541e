#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/linear.h>

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace sterna::cli {

/// Bytes of weights to measure with: beyond any last-level cache this runs on.
inline constexpr size_t kBenchMemory = size_t{256} << 20;

/// So many bytes of `memory`, in huge pages where the system grants them, that are fair weights of
/// every type: read as bfloat16 or float each is a number of ordinary size, and the speed of
/// integer kernels does not depend on the values.
const std::byte* bench_weights(nn::Workspace& memory);

/// A linear map y [n, m] = x [n, k] W^T of one shape, over as many copies of its weights as fit
/// `span_bytes` of bench_weights(), so that they come from memory, or (0: one copy) stay in cache.
class KernelCase {
 public:
  KernelCase(const std::byte* memory, quant::Type type, quant::Isa isa, size_t m, size_t k,
             size_t n, size_t span_bytes);

  /// Maps a second over a slice of time (8 ms, or one map).
  double measure(const nn::Executor& executor);
  double gops(double rate) const;  // of that rate: 2 m k n operations a map
  double gbps(double rate) const;  // weights read

  quant::Type type() const { return type_; }
  quant::Isa isa() const { return isa_; }
  size_t m() const { return m_; }
  size_t k() const { return k_; }
  size_t n() const { return n_; }

 private:
  void run(const nn::Executor& executor, const quant::Linear& map);

  quant::Type type_;
  quant::Isa isa_;
  size_t m_, k_, n_;
  std::vector<uint16_t> scale_;
  std::vector<quant::Linear> maps_;
  nn::Workspace workspace_;
  std::span<float> x_, y_;  // of the workspace, as in a tower
  std::byte* scratch_ = nullptr;
  size_t next_ = 0;
};

}  // namespace sterna::cli
