#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sterna::cli {

/// The bytes of a file, a pipe, or ("-") standard input into `out`, whose memory is reused. Throws
/// Error "NAME: fault" if it can't be read, is a folder, is empty, or is longer than `most` bytes.
void read_file(const std::string& name, uint64_t most, std::vector<std::byte>& out);

/// Asks the system to fetch a file that will soon be read; returns at once, faults are ignored.
void prefetch_file(const std::string& name);

/// Replaces a file's content at once, durably. Throws Error.
void write_file(const std::filesystem::path& path, std::string_view text);

/// Throws UsageError, which names `option`, if writing `output` would replace one of `inputs`:
/// files, or @FILE for a list.
void refuse_overwriting(const std::string& option, const std::filesystem::path& output,
                        std::span<const std::string> inputs);

/// Makes a file's data durable that another library wrote. Throws Error.
void sync_file(const std::filesystem::path& path);

/// A file that is written while it grows and may outlive a crash: an output's partial file.
class GrowingFile {
 public:
  GrowingFile() = default;
  GrowingFile(GrowingFile&&) noexcept;
  GrowingFile& operator=(GrowingFile&&) noexcept;
  ~GrowingFile();

  /// Opens or creates `path` for reading and writing and locks it against other processes. Throws
  /// Error, also if another process holds it.
  explicit GrowingFile(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  uint64_t size() const;
  /// All of these throw Error naming the file (disk full, ...).
  void truncate(uint64_t size);
  void write_at(uint64_t offset, std::span<const std::byte> bytes);
  void append(std::span<const std::byte> bytes);
  void sync();                                          // its data are durable
  void rename_to(const std::filesystem::path& target);  // and its new name too
  void remove();                                        // of an output that is not wanted

 private:
  [[noreturn]] void fail(const char* doing) const;
  void close() noexcept;

  std::filesystem::path path_;
  int fd_ = -1;
};

}  // namespace sterna::cli
