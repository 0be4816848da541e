#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cli/embed_job.h"
#include "cli/file.h"
#include "cli/names.h"
#include "cli/npy.h"
#include "cli/sha256.h"

namespace sterna::cli {

/// Where the files of an output lie: OUT.npy with OUT.jsonl beside it, and OUT.meta.json, which
/// says what made them; or OUT.jsonl alone, its rows carrying their vectors.
struct StorePaths {
  /// Throws UsageError unless `output` ends in .npy or .jsonl.
  explicit StorePaths(const std::filesystem::path& output);
  bool inline_vectors = false;
  std::filesystem::path vectors;   // .npy
  std::filesystem::path manifest;  // .jsonl
  std::filesystem::path meta;      // .meta.json
};

/// A manifest line with its vector: {..., "embedding": [...]}, shortest decimals that read back as
/// the same floats.
std::string vector_line(const Json& line, std::span<const float> vector);

/// Embeddings on their way to disk, an input after the other, none kept in memory.
///
/// Rows go to OUT.npy.part and lines about them to OUT.jsonl.part; every few seconds both are made
/// durable, rows first, and are then valid files. finish() renames them over the outputs, which are
/// untouched until then; OUT.seen.part keeps which files the lines are about. A store that is
/// opened on partial files made with the same settings goes on behind the last input they hold that
/// is still the same file; one opened on finished outputs with the same settings offers their rows
/// by content.
class VectorStore : public VectorSink {
 public:
  /// `settings`: what the vectors depend on beside the input (model, kind of input). `inputs`: all
  /// of this run's, names of files or texts. `fresh` ignores earlier files. Throws Error, also if
  /// the manifest would replace a file that is none.
  VectorStore(const StorePaths& paths, size_t dim, Json settings,
              const std::vector<std::string>& inputs, bool input_is_file, bool fresh);

  /// Inputs, rows and failures that earlier runs have left in the partial files.
  size_t resumed() const { return resumed_; }
  size_t rows() const { return rows_; }
  size_t failed() const { return failed_; }

  /// From the finished outputs.
  std::optional<std::span<const float>> find(const Digest& digest) const override;

  void add_row(const std::string& input, const Digest& digest,
               std::span<const float> vector) override;
  void add_failure(const std::string& input, const std::string& error) override;
  /// Makes everything added so far durable; done now and then by the above.
  void checkpoint();
  /// Puts the files in place of the outputs. False: every input failed, and there are outputs of an
  /// earlier run, which stay.
  bool finish();

 private:
  void load_earlier();
  void resume(const std::vector<std::string>& inputs);
  uint64_t file_of(const std::string& input) const;
  void add_line(const std::string& input, const Json& line);
  void merge_vectors();

  StorePaths paths_;
  size_t dim_;
  Json settings_;
  bool input_is_file_;
  GrowingFile vectors_, manifest_, seen_;                      // the partial files
  uint64_t vectors_end_ = kNpyHeaderBytes, manifest_end_ = 0;  // what is written of them
  uint64_t seen_end_ = 0;
  std::vector<float> pending_vectors_;
  std::vector<uint64_t> pending_seen_;
  std::string pending_lines_;
  std::chrono::steady_clock::time_point next_checkpoint_;
  size_t resumed_ = 0, rows_ = 0, failed_ = 0;

  std::optional<NpyMatrix> earlier_;
  std::vector<std::pair<Digest, uint64_t>> earlier_rows_;  // sorted
};

}  // namespace sterna::cli
