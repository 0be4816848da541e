#pragma once

#include <sterna/models/mapped_file.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace sterna::cli {

/// Every header written here has this length, so that the number of rows can be put right in place.
inline constexpr size_t kNpyHeaderBytes = 128;

/// The header of a NumPy .npy file (format 1.0) holding float32 [rows, cols] in C order.
std::string npy_header(uint64_t rows, uint64_t cols);

/// A .npy file of float32 [rows, cols] in C order, memory-mapped. Treats the file as hostile.
class NpyMatrix {
 public:
  /// Throws Error naming the file: not .npy, another type or rank, or shorter than its shape says.
  explicit NpyMatrix(const std::filesystem::path& path);

  size_t rows() const { return rows_; }
  size_t cols() const { return cols_; }
  std::span<const float> row(size_t i) const { return {data_ + i * cols_, cols_}; }

 private:
  models::MappedFile map_;
  const float* data_ = nullptr;
  size_t rows_ = 0;
  size_t cols_ = 0;
};

}  // namespace sterna::cli
