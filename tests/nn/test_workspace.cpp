// Scratch memory: what is warm allocates nothing, also when another thread takes the work.
#include <doctest/doctest.h>
#include <sterna/nn/workspace.h>

using namespace sterna;

TEST_CASE("memory of a frame is given back, and asked of the system once") {
  nn::Workspace w;
  std::byte* first = nullptr;
  for (int round = 0; round < 3; ++round) {
    const nn::Workspace::Frame frame(w);
    std::byte* p = w.bytes(100);
    if (!first) first = p;
    CHECK(p == first);
    CHECK(reinterpret_cast<uintptr_t>(p) % 64 == 0);
    CHECK(w.bytes(1) == p + 128);  // whole cache lines
  }
  CHECK(w.system_allocations() == 1);
}

TEST_CASE("levelled workspaces hold what any of them held") {
  constexpr size_t kLarge = size_t{20} << 20;
  nn::Workspace w;
  const auto work = [](nn::Workspace& one) {
    const nn::Workspace::Frame frame(one);
    one.bytes(1000);
    one.bytes(kLarge);
  };
  const auto apart = w.apart(3);
  work(apart[1]);  // the one thread that had work in the first round
  w.level_apart();
  const size_t warm = w.system_allocations();
  for (nn::Workspace& one : w.apart(3)) work(one);
  w.level_apart();
  CHECK(w.system_allocations() == warm);
}

TEST_CASE("levelled workspaces hold it too where blocks of others are smaller but more") {
  constexpr size_t kMega = size_t{1} << 20;
  nn::Workspace w;
  const auto work = [](nn::Workspace& one, std::initializer_list<size_t> sizes) {
    const nn::Workspace::Frame frame(one);
    for (const size_t n : sizes) one.bytes(n * kMega);
  };
  const auto apart = w.apart(2);
  work(apart[0], {6, 12});
  work(apart[1], {1, 3, 13});
  w.level_apart();
  const size_t warm = w.system_allocations();
  for (nn::Workspace& one : w.apart(2)) {
    work(one, {6, 12});
    work(one, {1, 3, 13});
  }
  CHECK(w.system_allocations() == warm);
}
