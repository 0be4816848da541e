#include "watch/embedding_log.h"

#include <sterna/quant/error.h>

#include <string>

#include "cli/manifest.h"
#include "cli/names.h"
#include "cli/npy.h"

namespace sterna::cli {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::filesystem::path part(std::filesystem::path path) { return path += ".part"; }

}  // namespace

EmbeddingLog::EmbeddingLog(const std::filesystem::path& path, size_t dim)
    : dim_(dim), path_(path), lines_path_(path) {
  if (path.extension() != ".npy") {
    throw Error(path.string() + ": expected a name that ends in .npy");
  }
  lines_path_.replace_extension(".jsonl");
  expect_replaceable(path_);
  expect_manifest(lines_path_);
  rows_ = GrowingFile(part(path_));
  lines_ = GrowingFile(part(lines_path_));
  rows_.truncate(0);
  lines_.truncate(0);
  write_header();
}

void EmbeddingLog::write_header() {
  rows_.write_at(0, bytes_of(npy_header(count_, dim_)));
  headed_ = count_;
}

void EmbeddingLog::add(uint64_t frame, double seconds, std::span<const float> embedding,
                       const std::string* file) {
  rows_.write_at(kNpyHeaderBytes + count_ * dim_ * sizeof(float), std::as_bytes(embedding));
  Json line{{"row", count_}, {"frame", frame}, {"seconds", seconds}};
  if (file != nullptr) put_name(line, "input", *file);
  lines_.append(bytes_of(to_line(line) + "\n"));
  ++count_;
  if (count_ - headed_ >= 16) write_header();
}

void EmbeddingLog::finish() {
  write_header();
  rows_.sync();
  lines_.sync();
  // Rows that nothing tells the frames of would be of no use.
  lines_.rename_to(lines_path_);
  rows_.rename_to(path_);
}

}  // namespace sterna::cli
