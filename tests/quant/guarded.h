#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <new>
#include <span>

namespace sterna::quant::test {

/// A copy of values whose last byte is the last of a page, the next of which may not be touched: no
/// sanitizer sees what assembly and masked instructions read.
template <class T>
class Guarded {
 public:
  explicit Guarded(std::span<const T> values) : n_(values.size()) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t bytes = (values.size_bytes() + page - 1) / page * page;
    size_ = bytes + page;
    void* p = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    start_ = static_cast<std::byte*>(p);
    if (mprotect(start_ + bytes, page, PROT_NONE) != 0) throw std::bad_alloc();
    at_ = reinterpret_cast<T*>(start_ + bytes - values.size_bytes());
    std::copy(values.begin(), values.end(), at_);
  }
  ~Guarded() { munmap(start_, size_); }
  Guarded(const Guarded&) = delete;
  std::span<T> span() { return {at_, n_}; }

 private:
  size_t n_, size_ = 0;
  std::byte* start_ = nullptr;
  T* at_ = nullptr;
};

}  // namespace sterna::quant::test
