/// A camera for tests, where there is none: preloaded (LD_PRELOAD) it answers for /dev/video0 what
/// a driver of Video4Linux2 would, with memory-mapped buffers of YUYV. Frames come from the file
/// that STERNA_TEST_CAMERA names, 640 x 480, one after another and again, at 30 a second; while
/// there is no such file the camera is unplugged.
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>

namespace {

constexpr uint32_t kWidth = 640, kHeight = 480, kBytes = kWidth * kHeight * 2, kFps = 30;
constexpr uint32_t kBuffers = 4;
constexpr size_t kStride = (kBytes + 4095) / 4096 * 4096;  // between buffers, for mmap

std::mutex mutex;
int device = -1;  // a timer: readable when the next frame is due
std::array<uint8_t*, kBuffers> buffers{};  // mapped and unmapped by who opens the device
std::deque<uint32_t> queued;
uint32_t frame = 0;

const char* pictures() { return std::getenv("STERNA_TEST_CAMERA"); }

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

int fail(int code) {
  errno = code;
  return -1;
}

int open_device(int flags) {
  const std::lock_guard lock(mutex);
  if (pictures() == nullptr || access(pictures(), R_OK) != 0) return fail(ENOENT);
  device = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | (flags & O_NONBLOCK ? TFD_NONBLOCK : 0));
  itimerspec period{};
  period.it_interval.tv_nsec = period.it_value.tv_nsec = 1'000'000'000 / kFps;
  timerfd_settime(device, 0, &period, nullptr);
  queued.clear();
  return device;
}

void describe(v4l2_pix_format& pix) {
  pix.width = kWidth;
  pix.height = kHeight;
  pix.pixelformat = V4L2_PIX_FMT_YUYV;
  pix.field = V4L2_FIELD_NONE;
  pix.bytesperline = kWidth * 2;
  pix.sizeimage = kBytes;
  pix.colorspace = V4L2_COLORSPACE_SRGB;
}

void describe(v4l2_buffer& buffer) {
  buffer.length = kBytes;
  buffer.m.offset = static_cast<uint32_t>(buffer.index * kStride);
  buffer.flags = V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
}

/// The next frame into the first buffer that waits for one.
int dequeue(v4l2_buffer& buffer) {
  const int file = next<decltype(&open)>("open")(pictures(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return fail(ENODEV);
  uint64_t due = 0;
  if (read(device, &due, sizeof due) < 0 || queued.empty()) {
    close(file);
    return fail(EAGAIN);
  }
  buffer.index = queued.front();
  queued.pop_front();
  const auto size = static_cast<uint64_t>(lseek(file, 0, SEEK_END));
  const uint64_t frames = size / kBytes;
  uint8_t* const to = buffers.at(buffer.index);
  const auto from = static_cast<off_t>(frames > 0 ? frame % frames * kBytes : 0);
  const bool whole = to != nullptr && pread(file, to, kBytes, from) == ssize_t{kBytes};
  close(file);
  if (!whole) return fail(EIO);
  describe(buffer);
  buffer.bytesused = kBytes;
  buffer.field = V4L2_FIELD_NONE;
  buffer.sequence = frame++;
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  buffer.timestamp = {now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

int control(unsigned long request, void* argument) {
  const std::lock_guard lock(mutex);
  switch (request) {
    case VIDIOC_QUERYCAP: {
      auto& out = *static_cast<v4l2_capability*>(argument);
      out = {};
      std::memcpy(out.driver, "test", 5);
      std::memcpy(out.card, "test camera", 12);
      out.device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
      out.capabilities = out.device_caps | V4L2_CAP_DEVICE_CAPS;
      return 0;
    }
    case VIDIOC_ENUM_FMT: {
      auto& out = *static_cast<v4l2_fmtdesc*>(argument);
      if (out.index > 0) return fail(EINVAL);
      out.pixelformat = V4L2_PIX_FMT_YUYV;
      return 0;
    }
    case VIDIOC_G_FMT:
    case VIDIOC_S_FMT:
    case VIDIOC_TRY_FMT: describe(static_cast<v4l2_format*>(argument)->fmt.pix); return 0;
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM: {
      auto& out = static_cast<v4l2_streamparm*>(argument)->parm.capture;
      out.capability = V4L2_CAP_TIMEPERFRAME;
      out.timeperframe = {1, kFps};
      return 0;
    }
    case VIDIOC_G_INPUT: *static_cast<int*>(argument) = 0; return 0;
    case VIDIOC_S_INPUT: return 0;
    case VIDIOC_ENUMINPUT: {
      auto& out = *static_cast<v4l2_input*>(argument);
      if (out.index > 0) return fail(EINVAL);
      out.type = V4L2_INPUT_TYPE_CAMERA;
      return 0;
    }
    case VIDIOC_REQBUFS: {
      auto& out = *static_cast<v4l2_requestbuffers*>(argument);
      if (out.memory != V4L2_MEMORY_MMAP) return fail(EINVAL);
      out.count = out.count < kBuffers ? out.count : kBuffers;
      queued.clear();
      return 0;
    }
    case VIDIOC_QUERYBUF: describe(*static_cast<v4l2_buffer*>(argument)); return 0;
    case VIDIOC_QBUF: queued.push_back(static_cast<v4l2_buffer*>(argument)->index); return 0;
    case VIDIOC_DQBUF: return dequeue(*static_cast<v4l2_buffer*>(argument));
    case VIDIOC_STREAMON:
    case VIDIOC_STREAMOFF: return 0;
    default: return fail(ENOTTY);
  }
}

}  // namespace

// The names of a program for files of any size and those of one for 2 GB, which here are the same.
#define STERNA_EXPORT extern "C" __attribute__((visibility("default")))

STERNA_EXPORT int open64(const char* path, int flags, ...) {
  if (std::strcmp(path, "/dev/video0") == 0) return open_device(flags);
  va_list list;
  va_start(list, flags);
  const int mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, int) : 0;
  va_end(list);
  return next<int (*)(const char*, int, ...)>("open64")(path, flags, mode);
}

STERNA_EXPORT int open(const char* path, int flags, ...) __attribute__((alias("open64")));

STERNA_EXPORT int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list list;
  va_start(list, request);
  void* const argument = va_arg(list, void*);
  va_end(list);
  if (fd >= 0 && fd == device) return control(request, argument);
  return next<int (*)(int, unsigned long, ...)>("ioctl")(fd, request, argument);
}

STERNA_EXPORT int close(int fd) {
  if (fd >= 0 && fd == device) device = -1;
  return next<int (*)(int)>("close")(fd);
}

STERNA_EXPORT void* mmap64(void* at, size_t length, int protection, int flags, int fd,
                           off64_t offset) noexcept {
  const auto real = next<void* (*)(void*, size_t, int, int, int, off64_t)>("mmap64");
  if (fd < 0 || fd != device) return real(at, length, protection, flags, fd, offset);
  void* const mapped =
      real(at, length, protection | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  buffers.at(static_cast<size_t>(offset) / kStride) = static_cast<uint8_t*>(mapped);
  return mapped;
}

STERNA_EXPORT void* mmap(void* at, size_t length, int protection, int flags, int fd,
                         off_t offset) noexcept __attribute__((alias("mmap64")));
