#include "sterna/models/mapped_file.h"

#include <fcntl.h>
#include <sterna/quant/error.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace sterna::models {
namespace {

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) : file_(path.string()) {
  const auto fail = [&](const char* doing) {
    const int code = errno;
    throw Error(file_ + ": cannot " + doing + ": " + std::generic_category().message(code));
  };
  // O_NONBLOCK: opening a pipe that nobody writes to must not hang.
  const Descriptor d{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (d.fd < 0) fail("open");
  struct stat info {};
  if (::fstat(d.fd, &info) != 0) fail("read");
  if (!S_ISREG(info.st_mode)) {
    throw Error(file_ + ": expected a file, found " + kind_of(info.st_mode));
  }
  if (info.st_size == 0) throw Error(file_ + ": file is empty");
  size_ = static_cast<size_t>(info.st_size);
  void* map = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, d.fd, 0);
  if (map == MAP_FAILED) fail("map");
  data_ = static_cast<const std::byte*>(map);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : file_(std::move(other.file_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace sterna::models
