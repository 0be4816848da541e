// Replaces the global operator new of the test executable by one that counts.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>

#include "counting_new.h"

namespace {
std::atomic<size_t> calls{0};

void* take(std::size_t n, std::size_t align) {
  calls.fetch_add(1, std::memory_order_relaxed);
  const std::size_t size = (n + align - 1) / align * align;
  void* p = align <= alignof(std::max_align_t)
                ? std::malloc(n == 0 ? 1 : n)
                : std::aligned_alloc(align, size == 0 ? align : size);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
}  // namespace

namespace sterna::test {
size_t news() noexcept { return calls.load(std::memory_order_relaxed); }
}  // namespace sterna::test

void* operator new(std::size_t n) { return take(n, 1); }
void* operator new[](std::size_t n) { return take(n, 1); }
void* operator new(std::size_t n, std::align_val_t a) { return take(n, static_cast<size_t>(a)); }
void* operator new[](std::size_t n, std::align_val_t a) { return take(n, static_cast<size_t>(a)); }
// Also std::stable_sort's buffer, which must not come from elsewhere than where it is freed.
void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  calls.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(n == 0 ? 1 : n);
}
void* operator new[](std::size_t n, const std::nothrow_t& nothrow) noexcept {
  return operator new(n, nothrow);
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

TEST_CASE("the counter counts") {
  const size_t before = sterna::test::news();
  const auto p = std::make_unique<int>(1);
  CHECK(*p == 1);
  CHECK(sterna::test::news() == before + 1);
}
