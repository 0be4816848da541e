#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace sterna::decoder {

/// What was said of a meaning.
struct Words {
  std::string text;
  double confidence = 0;
};

/// Remembers what meanings were put into words, so that one that comes back needs no decode: a
/// street that is empty again, a face seen a minute ago. A gate says when a stream is worth words;
/// this says when they are known already. The error it may add is bounded by `cosine`: what is
/// recalled was said of a direction at least that near.
///
/// Memory: capacity (d floats and the words); the one that was not wanted for longest goes first.
/// Not for two threads at once.
class Recall {
 public:
  /// Throws Error unless dim and capacity are 1 or more and cosine is within (0, 1].
  Recall(size_t dim, double cosine, size_t capacity = 256);

  /// The words of the nearest remembered meaning, if it is near enough; else null. Valid until the
  /// next keep(). Throws Error for another width than dim; what is no direction is near to nothing.
  const Words* find(std::span<const float> meaning);
  /// Remembers words for it.
  void keep(std::span<const float> meaning, Words words);

  size_t size() const { return entries_.size(); }
  /// Floating-point operations of all find() so far: a product and a sum for each number compared.
  uint64_t flops() const { return flops_; }

 private:
  struct Entry {
    Words words;
    uint64_t used = 0;
  };
  bool direction(std::span<const float> meaning);

  size_t dim_, capacity_;
  double cosine_;
  std::vector<Entry> entries_;
  std::vector<float> directions_;  // [entries, d], of unit length
  std::vector<float> unit_;        // [d]
  uint64_t now_ = 0, flops_ = 0;
};

}  // namespace sterna::decoder
