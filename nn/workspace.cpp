#include <sterna/nn/workspace.h>

#include <algorithm>
#include <new>

namespace sterna::nn {

namespace {
constexpr size_t kAlign = 64;
constexpr size_t kFirstBlock = size_t{1} << 20;
}  // namespace

void Workspace::Free::operator()(std::byte* p) const {
  ::operator delete[](p, std::align_val_t{kAlign});
}

std::byte* Workspace::bytes(size_t n) {
  n = (std::max<size_t>(n, 1) + kAlign - 1) / kAlign * kAlign;
  while (block_ < blocks_.size() && used_ + n > blocks_[block_].size) {
    ++block_;
    used_ = 0;
  }
  if (block_ == blocks_.size()) {
    const size_t last = blocks_.empty() ? kFirstBlock / 2 : blocks_.back().size;
    const size_t size = std::max(n, 2 * last);
    auto* p = static_cast<std::byte*>(::operator new[](size, std::align_val_t{kAlign}));
    blocks_.push_back({std::unique_ptr<std::byte[], Free>(p), size});
    used_ = 0;
  }
  std::byte* p = blocks_[block_].data.get() + used_;
  used_ += n;
  return p;
}

}  // namespace sterna::nn
