#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "cli/names.h"
#include "cli/npy.h"
#include "cli/vector_index.h"

namespace sterna::cli {

/// A row of an index: a line of its manifest.
struct IndexEntry {
  std::string input;
  std::string sha256;
  bool gone = false;  // the input has changed since; a later row holds it
};

/// An index on disk: a folder with
///   index.json          what it was made with, and the names and hashes of the other two
///   vectors-N.faiss     the FAISS index
///   manifest-N.jsonl    {"row", "input", "sha256"} a line
/// A change writes files N + 1 and then replaces index.json, so that the folder is always whole.
class IndexFolder {
 public:
  /// A new, empty index in memory; save() makes the folder. `type` as in create_index().
  static IndexFolder create(const std::filesystem::path& folder, size_t dim, std::string type,
                            Json settings);
  /// As it was before or after a save() of another process, whenever that comes. Throws Error
  /// naming the file and what is wrong with it: not an index, hashes that don't fit.
  static IndexFolder open(const std::filesystem::path& folder);

  const Json& settings() const { return settings_; }
  const std::string& type() const { return type_; }
  size_t dim() const { return index_->dim(); }
  const std::vector<IndexEntry>& entries() const { return entries_; }
  /// Rows that count: not gone.
  size_t live() const { return entries_.size() - gone_; }
  /// The row of an input that counts, if there is one.
  const IndexEntry* find(const std::string& input) const;

  /// Adds rows with their entries (equal in number). An input that is already there is replaced.
  void add(const NpyMatrix& vectors, std::vector<IndexEntry> entries);
  /// The best rows that count.
  std::vector<Hit> search(std::span<const float> query, size_t top) const;
  void save();

 private:
  std::filesystem::path folder_;
  std::string type_;
  Json settings_;
  uint64_t generation_ = 0;
  std::unique_ptr<VectorIndex> index_;
  std::vector<IndexEntry> entries_;
  std::unordered_map<std::string, size_t> rows_;  // of inputs that count
  size_t gone_ = 0;

  static IndexFolder open_described(const std::filesystem::path& folder,
                                    std::span<const std::byte> description);
  void append(IndexEntry entry);
};

/// Throws Error if `folder` holds what belongs to no index: what a save() takes away is its own.
void expect_index_or_free(const std::filesystem::path& folder);

/// The rows of a manifest as VectorStore writes it (failures left out); row i is line i of them.
/// Throws Error naming file and line.
std::vector<IndexEntry> read_manifest(const std::filesystem::path& file);

}  // namespace sterna::cli
