#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include <sterna/nn/mat.h>

namespace sterna::quant {
class Linear;
}

namespace sterna::nn {

/// Sees what goes into the linear maps of forward passes, for calibration: x [t, k] of each map
/// before it is applied, by the thread that runs the pass.
class MapObserver {
 public:
  virtual ~MapObserver() = default;
  /// `x` is the caller's and lives for the call alone.
  virtual void see(const quant::Linear& linear, Mat<const float> x) = 0;
};

/// One caller's scratch memory: a stack of blocks that grows while it is warmed up and never
/// shrinks, so that a forward pass of a known shape allocates nothing. Not for use by two threads
/// at a time; every concurrent caller of a model brings its own.
class Workspace {
 public:
  Workspace() = default;
  Workspace(Workspace&&) = default;
  Workspace& operator=(Workspace&&) = default;

  /// Everything taken while a Frame lives is given back when it ends. Frames nest.
  class Frame {
   public:
    explicit Frame(Workspace& w) : w_(w), block_(w.block_), used_(w.used_) {}
    ~Frame() {
      w_.block_ = block_;
      w_.used_ = used_;
    }
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;

   private:
    Workspace& w_;
    size_t block_, used_;
  };

  /// Uninitialised memory, 64-byte aligned. Throws std::bad_alloc.
  std::byte* bytes(size_t n);

  /// An uninitialised matrix; T must be trivial.
  template <class T>
  Mat<T> mat(size_t rows, size_t cols) {
    return {reinterpret_cast<T*>(bytes(rows * cols * sizeof(T))), rows, cols};
  }

  /// n default values of a type that needs no destructor.
  template <class T>
  std::span<T> array(size_t n) {
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= 64);
    auto* p = reinterpret_cast<T*>(bytes(n * sizeof(T)));
    std::uninitialized_value_construct_n(p, n);
    return {p, n};
  }

  /// n workspaces for as many threads to use at once, which live as long as this one.
  std::span<Workspace> apart(size_t n) {
    if (apart_.size() < n) apart_.resize(n);
    return {apart_.data(), n};
  }

  /// Makes every block of those workspaces as large as the largest that any of them has in its
  /// place: whatever fitted into one fits into all, so that next time it does not matter which
  /// thread takes which share of the work. None of them may be in use.
  void level_apart();

  /// How often memory was asked of the system since construction: constant once warm (tested).
  size_t system_allocations() const {
    size_t all = blocks_.size();
    for (const Workspace& w : apart_) all += w.system_allocations();
    return all;
  }

  /// Who sees the linear maps that are applied with this workspace; nullptr: nobody. It must live
  /// until another one is set.
  void observe(MapObserver* observer) { observer_ = observer; }
  MapObserver* observer() const { return observer_; }

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  struct Block {
    std::unique_ptr<std::byte[], Free> data;
    size_t size;
  };
  static Block block_of(size_t size);

  std::vector<Block> blocks_;
  std::vector<Workspace> apart_;
  size_t block_ = 0;  // index of the block in use
  size_t used_ = 0;   // bytes used of it
  MapObserver* observer_ = nullptr;
};

}  // namespace sterna::nn
