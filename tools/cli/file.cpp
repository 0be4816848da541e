#include "cli/file.h"

#include <fcntl.h>
#include <sterna/models/atomic_file.h>
#include <sterna/quant/error.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "cli/error.h"
#include "cli/text.h"

namespace fs = std::filesystem;

namespace sterna::cli {

namespace {

[[noreturn]] void fail(const std::string& name, const std::string& doing) {
  throw Error(name + ": " + doing + ": " + std::strerror(errno));
}

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// A file descriptor that is closed again, unless it is standard input.
struct Reader {
  explicit Reader(const std::string& name)
      : fd(name == "-" ? STDIN_FILENO : open(name.c_str(), O_RDONLY | O_CLOEXEC)) {}
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() {
    if (fd > STDIN_FILENO) close(fd);
  }
  int fd;
};

}  // namespace

void read_file(const std::string& name, uint64_t most, std::vector<std::byte>& out) {
  if (name.empty()) throw Error("expected the name of a file, found an empty one");
  const std::string shown = name == "-" ? "standard input" : name;
  const Reader reader(name);
  struct stat info = {};
  if (reader.fd < 0 || fstat(reader.fd, &info) != 0) fail(shown, "can't be opened");
  if (S_ISDIR(info.st_mode)) throw Error(shown + ": expected a file, found a folder");
  const auto too_long = [&] {
    throw Error(shown + ": expected at most " + std::to_string(most) + " bytes, found more");
  };
  if (info.st_size > 0 && static_cast<uint64_t>(info.st_size) > most) too_long();
  // One byte more than a regular file has, so that its end shows without another round.
  out.resize(S_ISREG(info.st_mode) ? static_cast<size_t>(info.st_size) + 1 : size_t{1} << 16);
  size_t used = 0;
  for (;;) {
    if (used == out.size()) {
      if (used > most) too_long();
      out.resize(out.size() * 2);
    }
    const ssize_t n = read(reader.fd, out.data() + used, out.size() - used);
    if (n == 0) break;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(shown, "can't be read");
    used += static_cast<size_t>(n);
  }
  if (used == 0) throw Error(shown + ": the file is empty");
  if (used > most) too_long();
  out.resize(used);
}

void prefetch_file(const std::string& name) {
  // Opening a pipe would wait for its writer, and closing it again would end the writer.
  struct stat info = {};
  if (stat(name.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return;
  const Reader reader(name);
  if (reader.fd >= 0) (void)posix_fadvise(reader.fd, 0, 0, POSIX_FADV_WILLNEED);
}

void write_file(const fs::path& path, std::string_view text) {
  models::AtomicFile file(path);
  file.write(std::as_bytes(std::span(text.data(), text.size())));
  file.commit();
}

void refuse_overwriting(const std::string& option, const fs::path& output,
                        std::span<const std::string> inputs) {
  struct stat written = {}, read = {};
  if (stat(output.c_str(), &written) != 0 || !S_ISREG(written.st_mode)) return;
  for (const std::string& input : inputs) {
    const size_t list = input.starts_with('@') ? 1 : 0;
    if (stat(input.c_str() + list, &read) == 0 && same_file(written, read)) {
      throw UsageError(option + ": expected another file than the input " +
                       printable(input.substr(list)));
    }
  }
}

void sync_file(const fs::path& path) {
  const Reader reader(path.string());
  if (reader.fd < 0 || fsync(reader.fd) != 0) fail(path.string(), "can't be made durable");
}

GrowingFile::GrowingFile(fs::path path) : path_(std::move(path)) {
  for (;;) {
    fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd_ < 0) fail("can't be written");
    if (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) {
        close();
        throw Error(path_.string() + ": another process is writing it");
      }
      fail("can't be locked");
    }
    // Who held it may have renamed it since it was opened here: what is locked is finished then.
    struct stat locked = {}, named = {};
    if (fstat(fd_, &locked) != 0) fail("can't be examined");
    if (stat(path_.c_str(), &named) == 0 && same_file(locked, named)) return;
    close();
  }
}

GrowingFile::GrowingFile(GrowingFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

GrowingFile& GrowingFile::operator=(GrowingFile&& other) noexcept {
  if (this != &other) {
    close();
    path_ = std::move(other.path_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

GrowingFile::~GrowingFile() { close(); }

void GrowingFile::close() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void GrowingFile::fail(const char* doing) const { cli::fail(path_.string(), doing); }

uint64_t GrowingFile::size() const {
  struct stat info = {};
  if (fstat(fd_, &info) != 0) fail("can't be examined");
  return static_cast<uint64_t>(info.st_size);
}

void GrowingFile::truncate(uint64_t size) {
  if (ftruncate(fd_, static_cast<off_t>(size)) != 0) fail("can't be cut");
}

void GrowingFile::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n =
        pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail("can't be written");
    done += static_cast<size_t>(n);
  }
}

void GrowingFile::append(std::span<const std::byte> bytes) { write_at(size(), bytes); }

void GrowingFile::sync() {
  if (fdatasync(fd_) != 0) fail("can't be made durable");
}

void GrowingFile::rename_to(const fs::path& target) {
  if (fsync(fd_) != 0) fail("can't be made durable");
  if (std::rename(path_.c_str(), target.c_str()) != 0) fail("can't be renamed");
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  const int folder_fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_fd >= 0) {
    (void)fsync(folder_fd);  // some file systems refuse it; the data are safe either way
    ::close(folder_fd);
  }
  path_ = target;
}

void GrowingFile::remove() {
  if (unlink(path_.c_str()) != 0) fail("can't be removed");
}

}  // namespace sterna::cli
