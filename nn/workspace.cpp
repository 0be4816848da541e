#include <sterna/nn/workspace.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <algorithm>
#include <new>

namespace sterna::nn {

namespace {
constexpr size_t kAlign = 64;
// Blocks are whole huge pages, which the kernel hands out 2 MiB at a fault instead of 4 KiB: the
// first picture of a process spends a quarter less time (measured: 1,500 faults of 6 us).
constexpr size_t kBlockAlign = size_t{2} << 20;

size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }
}  // namespace

void Workspace::Free::operator()(std::byte* p) const {
  ::operator delete[](p, std::align_val_t{kBlockAlign});
}

Workspace::Block Workspace::block_of(size_t size) {
  auto* p = static_cast<std::byte*>(::operator new[](size, std::align_val_t{kBlockAlign}));
#if defined(__linux__)
  ::madvise(p, size, MADV_HUGEPAGE);  // a wish; where it is not granted, small pages serve
#endif
  return {std::unique_ptr<std::byte[], Free>(p), size};
}

void Workspace::level_apart() {
  size_t blocks = 0;
  for (const Workspace& w : apart_) blocks = std::max(blocks, w.blocks_.size());
  for (size_t i = 0; i < blocks; ++i) {
    size_t most = 0;
    for (const Workspace& w : apart_)
      if (i < w.blocks_.size()) most = std::max(most, w.blocks_[i].size);
    for (Workspace& w : apart_) {
      if (i == w.blocks_.size()) w.blocks_.push_back(block_of(most));
      if (w.blocks_[i].size < most) w.blocks_[i] = block_of(most);
    }
  }
}

std::byte* Workspace::bytes(size_t n) {
  n = round_up(std::max<size_t>(n, 1), kAlign);
  while (block_ < blocks_.size() && used_ + n > blocks_[block_].size) {
    ++block_;
    used_ = 0;
  }
  if (block_ == blocks_.size()) {
    const size_t last = blocks_.empty() ? kBlockAlign / 2 : blocks_.back().size;
    blocks_.push_back(block_of(std::max(round_up(n, kBlockAlign), 2 * last)));
    used_ = 0;
  }
  std::byte* p = blocks_[block_].data.get() + used_;
  used_ += n;
  return p;
}

}  // namespace sterna::nn
