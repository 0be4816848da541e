#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace sterna::language {

/// A trie over bytes whose edges lie in one hash table: 8 bytes an edge and slot, O(1) a step.
class Trie {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kRoot = 0;

  /// The value of `key` becomes `value`; an empty key is left out.
  void insert(std::string_view key, uint32_t value) {
    if (key.empty()) return;
    uint32_t node = kRoot;
    for (const char c : key) {
      const uint32_t child = step(node, c);
      node = child != kNone ? child : add(node, c);
    }
    values_[node] = value;
  }
  /// The child of `node` along a byte, or kNone.
  uint32_t step(uint32_t node, char byte) const {
    for (size_t at = slot(node, byte); edges_[at].child != 0; at = (at + 1) & (edges_.size() - 1))
      if (edges_[at].parent == node && bytes_[edges_[at].child] == byte) return edges_[at].child;
    return kNone;
  }
  /// Of the key that ends at `node`, or kNone.
  uint32_t value(uint32_t node) const { return values_[node]; }

 private:
  struct Edge {
    uint32_t parent = 0, child = 0;  // child 0: free
  };
  size_t slot(uint32_t node, char byte) const {
    const uint64_t key = uint64_t{node} << 8 | static_cast<unsigned char>(byte);
    return static_cast<size_t>((key * 0x9E3779B97F4A7C15u) >> 32) & (edges_.size() - 1);
  }
  uint32_t add(uint32_t parent, char byte) {
    if (2 * values_.size() >= edges_.size()) {
      const std::vector<Edge> old = std::exchange(edges_, std::vector<Edge>(2 * edges_.size()));
      for (const Edge& e : old)
        if (e.child != 0) put(e);
    }
    const auto child = static_cast<uint32_t>(values_.size());
    values_.push_back(kNone);
    bytes_.push_back(byte);
    put({parent, child});
    return child;
  }
  void put(Edge e) {
    size_t at = slot(e.parent, bytes_[e.child]);
    while (edges_[at].child != 0) at = (at + 1) & (edges_.size() - 1);
    edges_[at] = e;
  }

  std::vector<Edge> edges_ = std::vector<Edge>(16);
  std::vector<uint32_t> values_ = {kNone};
  std::vector<char> bytes_ = {'\0'};  // along the edge to each node
};

}  // namespace sterna::language
