// JPEG through libjpeg-turbo, with the settings of Pillow's decoder (libImaging/JpegDecode.c):
// library defaults (JDCT_ISLOW, fancy upsampling, block smoothing), RGB out for one and three
// components, CMYK out for four, which PIL's "CMYK;I" and convert("RGB") then take to RGB.

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <vector>

// jpeglib.h relies on <cstdio> before it.
#include <jpeglib.h>
// jerror.h relies on jpeglib.h.
#include <jerror.h>

#include "../codec.h"

namespace sterna::vision {
namespace {

// A scan costs a pass over the whole picture whatever its length, so a small progressive file with
// thousands of scans is a bomb. libjpeg-turbo's own fuzzers stop at 500.
constexpr int kMaxScans = 500;

// The C library leaves by longjmp: every setjmp below sits in a function that owns nothing with a
// destructor, and everything with one lives in decode_jpeg's frame, which is never jumped over.
struct Reader {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf escape;
  char message[JMSG_LENGTH_MAX] = "";
  bool ran_out = false;  // the data ended before the decoder did

  ~Reader() { jpeg_destroy_decompress(&info); }
};

extern "C" {

static void on_error(j_common_ptr info) {
  auto* r = static_cast<Reader*>(info->client_data);
  info->err->format_message(info, r->message);
  std::longjmp(r->escape, 1);
}

static void on_message(j_common_ptr info, int level) {
  if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) {
    static_cast<Reader*>(info->client_data)->ran_out = true;
  }
}

static void on_print(j_common_ptr) {}

static void on_progress(j_common_ptr info) {
  auto* d = reinterpret_cast<j_decompress_ptr>(info);
  if (d->input_scan_number <= kMaxScans) return;
  auto* r = static_cast<Reader*>(info->client_data);
  std::snprintf(r->message, sizeof r->message, "more than %d scans", kMaxScans);
  std::longjmp(r->escape, 1);
}

}  // extern "C"

bool read_header(Reader& r, Bytes bytes) noexcept {
  if (setjmp(r.escape) != 0) return false;
  r.info.err = jpeg_std_error(&r.errors);
  r.info.client_data = &r;
  r.errors.error_exit = on_error;
  r.errors.emit_message = on_message;
  r.errors.output_message = on_print;
  jpeg_create_decompress(&r.info);
  r.progress.progress_monitor = on_progress;
  r.info.progress = &r.progress;
  jpeg_mem_src(&r.info, reinterpret_cast<const unsigned char*>(bytes.data()),
               static_cast<unsigned long>(bytes.size()));
  jpeg_read_header(&r.info, TRUE);
  r.info.out_color_space = r.info.num_components == 4 ? JCS_CMYK : JCS_RGB;
  return true;
}

bool start(Reader& r) noexcept {
  if (setjmp(r.escape) != 0) return false;
  jpeg_start_decompress(&r.info);
  return true;
}

/// The next row into `out`; false on error.
bool read_rows(Reader& r, uint8_t* out, size_t stride, size_t rows) noexcept {
  if (setjmp(r.escape) != 0) return false;
  for (size_t i = 0; i < rows; ++i) {
    JSAMPROW row = out + i * stride;
    jpeg_read_scanlines(&r.info, &row, 1);
    if (r.ran_out) return false;
  }
  return true;
}

/// PIL's cmyk2rgb on inverted values: with c' = 255 - c stored, r = k' - (255 - c') k' / 255.
void from_adobe_cmyk(const uint8_t* in, uint8_t* out, size_t width) {
  for (size_t x = 0; x < width; ++x, in += 4, out += 3) {
    const int k = in[3];
    for (int c = 0; c < 3; ++c) {
      const int t = (255 - in[c]) * k + 128;
      out[c] = static_cast<uint8_t>(k - ((t + (t >> 8)) >> 8));
    }
  }
}

/// 8, 4, 2 or 1: by how much both sides may shrink and be `side` at least.
unsigned reduction(size_t width, size_t height, size_t side) {
  unsigned by = side == 0 ? 1 : 8;
  while (by > 1 && std::min(width, height) / by < side) by /= 2;
  return by;
}

}  // namespace

Image decode_jpeg(Bytes bytes, const DecodeLimits& limits) {
  Reader r;
  if (!read_header(r, bytes)) throw Fault(std::string("broken JPEG: ") + r.message);
  const int channels = r.info.num_components;
  if (channels != 1 && channels != 3 && channels != 4) {
    throw Fault("expected a JPEG of 1, 3 or 4 components, found " + std::to_string(channels));
  }
  check_size(r.info.image_width, r.info.image_height, limits);
  r.info.scale_num = 1;
  r.info.scale_denom = reduction(r.info.image_width, r.info.image_height, limits.reduced_side);
  jpeg_calc_output_dimensions(&r.info);
  Image image = allocate(r.info.output_width, r.info.output_height, limits);
  if (!start(r)) throw Fault(std::string("broken JPEG: ") + r.message);

  std::vector<uint8_t> cmyk(channels == 4 ? image.width * 4 : 0);
  for (size_t y = 0; y < image.height;) {
    uint8_t* to = image.rgb.data() + y * image.width * 3;
    const size_t rows = channels == 4 ? 1 : image.height - y;
    if (!read_rows(r, channels == 4 ? cmyk.data() : to, image.width * 3, rows)) {
      if (!r.ran_out) throw Fault(std::string("broken JPEG: ") + r.message);
      throw Fault("truncated JPEG: expected " + std::to_string(image.height) +
                  " rows, the data ends near row " + std::to_string(r.info.output_scanline));
    }
    if (channels == 4) from_adobe_cmyk(cmyk.data(), to, image.width);
    y += rows;
  }
  return image;
}

}  // namespace sterna::vision
