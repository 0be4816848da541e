#include <doctest/doctest.h>
#include <sterna/decoder/change.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/decoder/streams.h"

using namespace sterna::decoder;
using namespace sterna::test;

namespace {

std::atomic<size_t> allocations{0};

}  // namespace

// Counts what this test program allocates; the memory itself is malloc's. Not inlined: GCC 12 would
// take free() for the wrong partner of a new it still sees.
[[gnu::noinline]] void* operator new(size_t size) {
  ++allocations;
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }

TEST_CASE("change: no allocation after construction, whatever the stream") {
  for (const double fps : {3.0, 200.0}) {
    const auto stream = make_stream({.dim = 32, .seconds = 30, .fps = fps, .jitter = 0.9});
    CusumGate::Config config;
    config.dim = 32;
    CusumGate a(config);
    VarianceGate b(config);
    UniformGate c(32, 1);
    size_t segments = 0;
    const size_t before = allocations;
    for (Gate* gate : {static_cast<Gate*>(&a), static_cast<Gate*>(&b), static_cast<Gate*>(&c)}) {
      for (size_t i = 0; i < stream.times.size(); ++i) {
        gate->push(stream.times[i], stream.frame(i));
        while (gate->next() != nullptr) ++segments;
      }
      gate->finish();
      while (gate->next() != nullptr) ++segments;
    }
    CHECK(allocations == before);
    CHECK(segments > 30);
  }
}
