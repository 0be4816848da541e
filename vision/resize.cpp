#include <sterna/quant/error.h>
#include <sterna/vision/resize.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "axis.h"
#include "resample.h"

namespace sterna::vision {
namespace {

template <class T>
T* take(nn::Workspace& w, size_t n) {
  return reinterpret_cast<T*>(w.bytes(n * sizeof(T)));
}

/// RGB8 rows that the passes hand to each other.
struct Rows {
  const uint8_t* data;
  size_t width, height, stride;
  size_t readable;  // bytes from data on that may be read
  const uint8_t* row(size_t y) const { return data + y * stride; }
};

template <class F>
void over(const nn::Executor* executor, size_t n, size_t grain, F&& f) {
  if (executor != nullptr && executor->threads() > 1) {
    executor->for_ranges(n, grain, f);
  } else {
    f(size_t{0}, n);
  }
}

/// Rows [first, first + n) of `src`, resampled along x, to `out`.
void horizontal_pass(const ResampleKernels& k, const Axis& axis, const Rows& src, size_t first,
                     size_t n, uint8_t* out, size_t out_stride, nn::Workspace& workspace,
                     const nn::Executor* executor) {
  // Kernels read a little past a row. Rows so near the end of the memory that this would leave it
  // are copied; there are few (one, unless the picture is narrower than the overread).
  const size_t reach = src.width * 3 + kOverread;
  size_t direct = n;
  while (direct > 0 && (first + direct - 1) * src.stride + reach > src.readable) --direct;
  const size_t copies = n - direct;
  auto* tail = take<uint8_t>(workspace, copies * reach);
  for (size_t i = 0; i < copies; ++i) {
    std::memcpy(tail + i * reach, src.row(first + direct + i), src.width * 3);
    std::memset(tail + i * reach + src.width * 3, 0, kOverread);
  }
  over(executor, n, 16, [&](size_t begin, size_t end) {
    for (size_t y = begin; y < end; y += 4) {
      const size_t rows = std::min<size_t>(4, end - y);
      const uint8_t* in[4];
      uint8_t* to[4];
      for (size_t r = 0; r < rows; ++r) {
        const size_t i = y + r;
        in[r] = i < direct ? src.row(first + i) : tail + (i - direct) * reach;
        to[r] = out + i * out_stride;
      }
      k.horizontal(axis, in, to, rows);
    }
  });
}

/// `src`, whose first row is row `offset` of the axis, resampled along y. `pointers` holds
/// axis.size * axis.groups * 4 addresses.
void vertical_pass(const ResampleKernels& k, const Axis& axis, const Rows& src, size_t offset,
                   uint8_t* out, size_t out_stride, nn::Workspace& workspace,
                   const nn::Executor* executor) {
  const size_t slots = axis.groups * kTapGroup;
  auto* pointers = take<const uint8_t*>(workspace, axis.size * slots);
  over(executor, axis.size, 8, [&](size_t begin, size_t end) {
    for (size_t y = begin; y < end; ++y) {
      const size_t groups = axis.used_groups(y);
      const auto count = static_cast<size_t>(axis.count[y]);
      const size_t first = static_cast<size_t>(axis.first[y]) - offset;
      const uint8_t** rows = pointers + y * slots;
      for (size_t t = 0; t < groups * kTapGroup; ++t) {
        rows[t] = src.row(first + std::min(t, count - 1));  // padded weights are zero
      }
      k.vertical(axis.weights(y), groups, rows, out + y * out_stride, src.width * 3);
    }
  });
}

/// Filter::nearest: the window of width x height picked pixels.
void pick_nearest(const Rows& src, size_t width, size_t height, const Window& window, uint8_t* out,
                  nn::Workspace& workspace) {
  const std::span columns(take<uint32_t>(workspace, width), width);
  const std::span rows(take<uint32_t>(workspace, height), height);
  nearest_places(src.width, width, columns);
  nearest_places(src.height, height, rows);
  for (size_t y = 0; y < window.height; ++y) {
    const uint8_t* row = src.row(rows[window.y + y]);
    for (size_t x = 0; x < window.width; ++x, out += 3) {
      std::memcpy(out, row + size_t{3} * columns[window.x + x], 3);
    }
  }
}

void swap_red_blue(uint8_t* rgb, size_t pixels) {
  for (size_t i = 0; i < pixels; ++i, rgb += 3) std::swap(rgb[0], rgb[2]);
}

}  // namespace

void resize_window(const ImageView& view, size_t width, size_t height, Filter filter,
                   const Window& window, uint8_t* out, nn::Workspace& workspace,
                   const nn::Executor* executor, quant::Isa isa, Rounding rounding) {
  check_view(view);
  constexpr size_t kMaxSide = size_t{1} << 24;  // Pillow's boxes are floats: exact up to here
  const auto text = [](size_t w, size_t h) {
    return std::to_string(w) + " x " + std::to_string(h);
  };
  if (width == 0 || height == 0 || width > kMaxSide || height > kMaxSide) {
    throw Error("resize: expected sides of 1 to 16777216, found " + text(width, height));
  }
  if (view.width > kMaxSide || view.height > kMaxSide) {
    throw Error("resize: expected a picture with sides up to 16777216, found " +
                text(view.width, view.height));
  }
  if (window.width == 0 || window.height == 0 || window.x > width || window.y > height ||
      window.width > width - window.x || window.height > height - window.y) {
    throw Error("resize: expected a window inside " + text(width, height) + ", found " +
                text(window.width, window.height) + " at " + text(window.x, window.y));
  }
  if (!quant::has_isa(isa)) {
    throw Error("resize: this CPU or this build lacks " + std::string(quant::name(isa)));
  }
  const ResampleKernels& k = *resample_kernels(isa);
  const nn::Workspace::Frame frame(workspace);

  // Channels do not mix, so BGR is resampled as it lies and swapped at the end.
  const bool bgr = view.format == PixelFormat::bgr && view.bits == 8;
  Rows src{static_cast<const uint8_t*>(view.data), view.width, view.height, view.stride,
           (view.height - 1) * view.stride + view.width * 3};
  if (!bgr && (view.format != PixelFormat::rgb || view.bits != 8)) {
    const size_t stride = view.width * 3;
    auto* rgb = take<uint8_t>(workspace, view.height * stride + kOverread);
    to_rgb8(view, rgb, stride);
    src = {rgb, view.width, view.height, stride, view.height * stride + kOverread};
  }

  const bool horizontal = width != src.width, vertical = height != src.height;
  const auto shrink = [](size_t from, size_t to) {
    return static_cast<int64_t>(from) - static_cast<int64_t>(to);
  };
  const int64_t dy = shrink(src.height, height), dx = shrink(src.width, width);
  const bool vertical_first = rounding == Rounding::pillow && dy > 0 && dy > 2 * dx;
  const size_t out_stride = window.width * 3;

  if (filter == Filter::nearest && (horizontal || vertical)) {
    pick_nearest(src, width, height, window, out, workspace);
    if (bgr) swap_red_blue(out, window.width * window.height);
    return;
  }
  Axis ax, ay;
  if (horizontal) {
    ax = make_axis(src.width, width, window.x, window.width, filter, rounding, k, workspace);
  }
  if (vertical) {
    ay = make_axis(src.height, height, window.y, window.height, filter, rounding, k, workspace);
  }
  // Without a pass along an axis its window is a plain crop.
  if (!horizontal) {
    src.data += window.x * 3;
    src.readable -= window.x * 3;
    src.width = window.width;
  }
  if (!vertical) {
    src.data += window.y * src.stride;
    src.readable -= window.y * src.stride;
    src.height = window.height;
  }

  if (horizontal && vertical && !vertical_first) {
    const auto y0 = static_cast<size_t>(ay.first[0]);
    const size_t y1 =
        static_cast<size_t>(ay.first[ay.size - 1]) + static_cast<size_t>(ay.count[ay.size - 1]);
    auto* middle = take<uint8_t>(workspace, (y1 - y0) * out_stride);
    horizontal_pass(k, ax, src, y0, y1 - y0, middle, out_stride, workspace, executor);
    const Rows rows{middle, window.width, y1 - y0, out_stride, (y1 - y0) * out_stride};
    vertical_pass(k, ay, rows, y0, out, out_stride, workspace, executor);
  } else if (horizontal && vertical) {
    const size_t stride = src.width * 3;
    const size_t readable = window.height * stride + kOverread;
    auto* middle = take<uint8_t>(workspace, readable);
    std::memset(middle + window.height * stride, 0, kOverread);
    vertical_pass(k, ay, src, 0, middle, stride, workspace, executor);
    const Rows rows{middle, src.width, window.height, stride, readable};
    horizontal_pass(k, ax, rows, 0, window.height, out, out_stride, workspace, executor);
  } else if (horizontal) {
    horizontal_pass(k, ax, src, 0, window.height, out, out_stride, workspace, executor);
  } else if (vertical) {
    vertical_pass(k, ay, src, 0, out, out_stride, workspace, executor);
  } else {
    for (size_t y = 0; y < window.height; ++y) {
      std::memcpy(out + y * out_stride, src.row(y), out_stride);
    }
  }
  if (bgr) swap_red_blue(out, window.width * window.height);
}

Image resize(const ImageView& src, size_t width, size_t height, Filter filter) {
  nn::Workspace workspace;
  Image out{width, height, std::vector<uint8_t>(width * height * 3)};
  resize_window(src, width, height, filter, {0, 0, width, height}, out.rgb.data(), workspace);
  return out;
}

}  // namespace sterna::vision
