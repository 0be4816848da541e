#include "sterna/models/atomic_file.h"

#include <fcntl.h>
#include <sterna/quant/error.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <random>
#include <system_error>
#include <utility>

namespace sterna::models {

void AtomicFile::fail(const char* doing) const {
  const int code = errno;
  throw Error(path_.string() + ": cannot " + doing + ": " + std::generic_category().message(code));
}

AtomicFile::AtomicFile(const std::filesystem::path& path) : path_(path) {
  if (path_.filename().empty()) throw Error(path_.string() + ": expected a file name");
  std::error_code none;
  if (const auto target = std::filesystem::canonical(path_, none); !none) path_ = target;
  struct stat info {};
  if (::stat(path_.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    // rename() would happily replace /dev/null.
    throw Error(path_.string() + ": expected a file to replace, found a directory or device");
  }
  // Unlike mkostemp, open() with 0666 leaves the file's mode to the user's umask.
  std::random_device random;
  for (int attempt = 0; attempt < 100; ++attempt) {
    temporary_ = path_;
    temporary_ += ".tmp-" + std::to_string(random());
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ >= 0 || errno != EEXIST) break;
  }
  if (fd_ < 0) fail("create");
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::expect_room(uint64_t bytes) const {
  std::error_code fault;
  const auto space = std::filesystem::space(temporary_, fault);
  // File systems that can't tell say so by an error, by -1, or by zeros.
  if (fault || space.available == static_cast<std::uintmax_t>(-1) || space.capacity == 0) return;
  if (bytes <= space.available) return;
  throw Error(path_.string() + ": expected " + std::to_string(bytes) +
              " bytes of free disk, found " + std::to_string(space.available));
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      fail("write");
    }
    bytes = bytes.subspan(static_cast<size_t>(n));
    position_ += static_cast<uint64_t>(n);
  }
}

void AtomicFile::pad_to(size_t alignment) {
  constexpr std::array<std::byte, 256> zeros{};
  size_t missing = static_cast<size_t>((alignment - position_ % alignment) % alignment);
  while (missing != 0) {
    const size_t n = std::min(missing, zeros.size());
    write(std::span(zeros).first(n));
    missing -= n;
  }
}

void AtomicFile::commit() {
  if (::fsync(fd_) != 0) fail("write");
  const int fd = std::exchange(fd_, -1);
  if (::close(fd) != 0) fail("write");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0)
    fail("rename the finished file to this name");
  temporary_.clear();
  const std::filesystem::path parent = path_.has_parent_path() ? path_.parent_path() : ".";
  const int directory = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  // A directory one may write but not read can't be opened for fsync; the file itself is safe.
  if (directory < 0) return;
  const int result = ::fsync(directory);
  const int code = errno;
  ::close(directory);
  // EINVAL: a file system that has nothing to sync in directories.
  if (result != 0 && code != EINVAL) {
    errno = code;
    fail("write the directory");
  }
}

}  // namespace sterna::models
