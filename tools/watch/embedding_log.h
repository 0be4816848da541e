#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "cli/file.h"

namespace sterna::cli {

/// The stream of embeddings on disk: OUT.npy float32 [n, dim], and OUT.jsonl with {"row", "frame",
/// "seconds"} for each row, and "input" where the frame is a file. Grows as OUT.npy.part and
/// OUT.jsonl.part, complete files at any time but for the last second; finish() gives them their
/// names.
class EmbeddingLog {
 public:
  /// Throws Error unless `path` ends in .npy and can be written beside, also if what would be
  /// replaced is no file, or OUT.jsonl no manifest.
  EmbeddingLog(const std::filesystem::path& path, size_t dim);
  /// `file` may be null.
  void add(uint64_t frame, double seconds, std::span<const float> embedding,
           const std::string* file = nullptr);
  void finish();

 private:
  void write_header();

  size_t dim_;
  std::filesystem::path path_, lines_path_;
  GrowingFile rows_, lines_;
  uint64_t count_ = 0, headed_ = 0;
};

}  // namespace sterna::cli
