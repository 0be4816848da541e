#include <fcntl.h>
#include <sterna/vision/decode.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>

#include "codec.h"
#include "orientation.h"

namespace sterna::vision {

std::string_view name(Format format) noexcept {
  switch (format) {
    case Format::jpeg:
      return "JPEG";
    case Format::png:
      return "PNG";
    case Format::webp:
      return "WebP";
    case Format::gif:
      return "GIF";
    case Format::bmp:
      return "BMP";
    case Format::tiff:
      return "TIFF";
    case Format::jpeg2000:
      return "JPEG 2000";
    case Format::pnm:
      return "PNM";
  }
  return "?";
}

std::string_view decoder_name() noexcept {
#ifdef STERNA_HAVE_OPENCV
  return "libjpeg-turbo, libpng, libwebp, giflib, stb_image (BMP); libtiff and OpenCV on demand";
#else
  return "stb_image";
#endif
}

void check_size(uint64_t width, uint64_t height, const DecodeLimits& limits) {
  const std::string size = std::to_string(width) + " x " + std::to_string(height);
  if (width == 0 || height == 0) throw Fault("expected a picture, found one of " + size);
  // Sides are below 2^32 in every format, so the product cannot wrap.
  if (width * height > limits.max_pixels || width > UINT32_MAX || height > UINT32_MAX) {
    throw Fault("expected at most " + std::to_string(limits.max_pixels) + " pixels, found " + size);
  }
}

Image allocate(uint64_t width, uint64_t height, const DecodeLimits& limits) {
  check_size(width, height, limits);
  const auto w = static_cast<size_t>(width), h = static_cast<size_t>(height);
  return {w, h, std::vector<uint8_t>(w * h * 3)};
}

namespace {

#ifdef STERNA_HAVE_OPENCV
Image decode_as(Format format, Bytes bytes, const DecodeLimits& limits) {
  switch (format) {
    case Format::jpeg:
      return decode_jpeg(bytes, limits);
    case Format::png:
      return decode_png(bytes, limits);
    case Format::webp:
      return decode_webp(bytes, limits);
    case Format::gif:
      return decode_gif(bytes, limits);
    case Format::bmp:
      return decode_stb(bytes, format, limits);
    case Format::tiff:
    case Format::jpeg2000:
    case Format::pnm:
      break;
  }
  return decode_module(bytes, format, limits);
}
#else
Image decode_as(Format format, Bytes bytes, const DecodeLimits& limits) {
  switch (format) {
    case Format::jpeg:
    case Format::png:
    case Format::gif:
    case Format::bmp:
      return decode_stb(bytes, format, limits);
    default:
      break;
  }
  throw Fault("expected JPEG, PNG, GIF or BMP, found " + std::string(name(format)) +
              ", which this build (STERNA_OPENCV=OFF) cannot decode");
}
#endif

/// Names what the file-less errors below happened to.
template <class F>
auto named(std::string_view name, F&& f) {
  const auto where = [&] { return std::string(name) + ": "; };
  try {
    return f();
  } catch (const Fault& fault) {
    throw Error(where() + fault.what());
  } catch (const std::bad_alloc&) {
    throw Error(where() + "not enough memory for this picture");
  } catch (const std::length_error&) {
    throw Error(where() + "not enough memory for this picture");
  }
}

Image decode_checked(Bytes bytes, const DecodeLimits& limits) {
  if (bytes.size() > limits.max_file_bytes) {
    throw Fault("expected at most " + std::to_string(limits.max_file_bytes) + " bytes, found " +
                std::to_string(bytes.size()));
  }
  const Probe header = probe_header(bytes);
  check_size(header.width, header.height, limits);
  Image image = decode_as(header.format, bytes, limits);
  return limits.orient ? turned(std::move(image), header.orientation) : image;
}

struct File {
  int fd;
  explicit File(const char* path) : fd(::open(path, O_RDONLY | O_CLOEXEC)) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd >= 0) ::close(fd);
  }
};

[[noreturn]] void system_fault(const char* expected, int error) {
  throw Fault(std::string("expected ") + expected + ", found: " + std::strerror(error));
}

/// The whole file, its length not trusted: it may be a pipe or grow while it is read.
struct Contents {
  std::unique_ptr<std::byte[]> data;
  size_t size = 0;
};

Contents read_file(const std::filesystem::path& path, const DecodeLimits& limits) {
  const File file(path.c_str());
  if (file.fd < 0) system_fault("a readable file", errno);
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) system_fault("a readable file", errno);
  if (S_ISDIR(status.st_mode)) throw Fault("expected a picture, found a directory");
  const uint64_t limit = limits.max_file_bytes;
  const auto told = static_cast<uint64_t>(std::max<off_t>(status.st_size, 0));
  if (told > limit) {
    throw Fault("expected at most " + std::to_string(limit) + " bytes, found " +
                std::to_string(told));
  }
  size_t capacity = static_cast<size_t>(told > 0 ? told + 1 : uint64_t{1} << 16);
  Contents c{std::make_unique_for_overwrite<std::byte[]>(capacity), 0};
  for (;;) {
    if (c.size == capacity) {
      auto more = std::make_unique_for_overwrite<std::byte[]>(2 * capacity);
      std::memcpy(more.get(), c.data.get(), c.size);
      c.data = std::move(more);
      capacity *= 2;
    }
    const ssize_t n = ::read(file.fd, c.data.get() + c.size, capacity - c.size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) system_fault("a readable file", errno);
    if (n == 0) return c;
    c.size += static_cast<size_t>(n);
    if (c.size > limit) throw Fault("expected at most " + std::to_string(limit) + " bytes");
  }
}

}  // namespace

Probe probe(std::span<const std::byte> bytes, std::string_view name) {
  return named(name, [&] { return probe_header(bytes); });
}

Image decode(std::span<const std::byte> bytes, const DecodeLimits& limits, std::string_view name) {
  return named(name, [&] { return decode_checked(bytes, limits); });
}

Image decode_file(const std::filesystem::path& path, const DecodeLimits& limits) {
  return named(path.native(), [&] {
    const Contents c = read_file(path, limits);
    return decode_checked({c.data.get(), c.size}, limits);
  });
}

}  // namespace sterna::vision
