#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace sterna::models {

/// Writes a file so that nobody ever sees half of it: bytes go to a temporary file in the same
/// directory, and commit() makes them durable (fsync), renames them over `path`, and makes the
/// rename durable (fsync of the directory). Without commit() the destructor removes the temporary
/// file and `path` is as it was. Errors (no such directory, disk full, ...) are sterna::Error with
/// `path` and the system's text.
class AtomicFile {
 public:
  /// `path` must not exist, or be a regular file (or a link to one), which commit() replaces.
  explicit AtomicFile(const std::filesystem::path& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  /// Throws if the disk has no room for this many bytes more, which spares a long write that would
  /// fail at its end. Others may fill the disk yet: write() fails then.
  void expect_room(uint64_t bytes) const;
  void write(std::span<const std::byte> bytes);
  /// Zero bytes up to the next multiple of `alignment`.
  void pad_to(size_t alignment);
  uint64_t position() const { return position_; }
  void commit();

 private:
  [[noreturn]] void fail(const char* doing) const;  // appends errno's text

  std::filesystem::path path_;       // where the bytes end up, links followed
  std::filesystem::path temporary_;  // empty once committed
  uint64_t position_ = 0;
  int fd_ = -1;
};

}  // namespace sterna::models
