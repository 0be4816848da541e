#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace sterna::models {

/// A regular file mapped read-only. The bytes stay at one address for the object's life, also when
/// it is moved. Const after construction; any number of threads may read.
///
/// The map is of the file itself: replacing the file by rename (as AtomicFile does) leaves a map
/// intact, but a program that truncates the file in place while it is mapped makes later reads
/// raise SIGBUS. No check at open can prevent that, and this class doesn't try.
class MappedFile {
 public:
  /// Throws sterna::Error naming `path` and the fault: missing, unreadable, a directory, anything
  /// else that isn't a regular file, or empty.
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  const std::string& file() const { return file_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  std::string file_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace sterna::models
