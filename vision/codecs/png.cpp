// PNG through libpng, to the pixels of Pillow's convert("RGB"): palettes and grey expanded, alpha
// and tRNS dropped, 16 bits by their high byte. PIL clips 16-bit grey at 255 instead (I;16 -> RGB),
// which leaves a microscope's or a scanner's picture white. Gamma and profiles are not applied.

#include <png.h>

#include <csetjmp>
#include <cstring>
#include <vector>

#include "../codec.h"

namespace sterna::vision {
namespace {

// As in jpeg.cpp: longjmp never crosses a frame that owns something.
struct Reader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  Bytes bytes;
  size_t at = 0;
  bool ran_out = false;
  std::jmp_buf escape;
  char message[128] = "";

  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

extern "C" {

[[noreturn]] static void on_error(png_structp png, png_const_charp text) {
  auto* r = static_cast<Reader*>(png_get_error_ptr(png));
  std::strncpy(r->message, text, sizeof r->message - 1);
  std::longjmp(r->escape, 1);
}

static void on_warning(png_structp, png_const_charp) {}

static void on_read(png_structp png, png_bytep to, size_t n) {
  auto* r = static_cast<Reader*>(png_get_io_ptr(png));
  if (n > r->bytes.size() - r->at) {
    r->ran_out = true;
    png_error(png, "the data ends early");
  }
  std::memcpy(to, r->bytes.data() + r->at, n);
  r->at += n;
}

}  // extern "C"

bool read_header(Reader& r, const DecodeLimits& limits) noexcept {
  if (setjmp(r.escape) != 0) return false;
  r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
  if (r.png == nullptr) return false;
  r.info = png_create_info_struct(r.png);
  if (r.info == nullptr) return false;
  png_set_read_fn(r.png, &r, on_read);
  // Size is checked by the caller; these bound what ancillary chunks may ask for.
  png_set_user_limits(r.png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_chunk_cache_max(r.png, 128);
  png_set_chunk_malloc_max(r.png, 8 << 20);
  // Text, profiles and times are not used: never inflate them.
  png_set_keep_unknown_chunks(r.png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_read_info(r.png, r.info);
  (void)limits;
  return true;
}

bool start(Reader& r) noexcept {
  if (setjmp(r.escape) != 0) return false;
  const int type = png_get_color_type(r.png, r.info);
  const int depth = png_get_bit_depth(r.png, r.info);
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(r.png);
  if (type == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(r.png);
  if (depth == 16) png_set_strip_16(r.png);
  png_set_strip_alpha(r.png);
  if ((type & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(r.png);
  png_set_interlace_handling(r.png);
  png_read_update_info(r.png, r.info);
  return true;
}

bool read_rows(Reader& r, uint8_t* out, size_t stride, size_t rows, int passes) noexcept {
  if (setjmp(r.escape) != 0) return false;
  for (int pass = 0; pass < passes; ++pass) {
    for (size_t y = 0; y < rows; ++y) png_read_row(r.png, out + y * stride, nullptr);
  }
  return true;
}

[[noreturn]] void fail(const Reader& r) {
  throw Fault(std::string(r.ran_out ? "truncated PNG: " : "broken PNG: ") + r.message);
}

}  // namespace

Image decode_png(Bytes bytes, const DecodeLimits& limits) {
  Reader r;
  r.bytes = bytes;
  if (!read_header(r, limits)) fail(r);
  Image image =
      allocate(png_get_image_width(r.png, r.info), png_get_image_height(r.png, r.info), limits);
  const int passes = png_get_interlace_type(r.png, r.info) == PNG_INTERLACE_NONE ? 1 : 7;
  if (!start(r)) fail(r);
  const size_t want = image.width * 3;
  if (png_get_rowbytes(r.png, r.info) != want) {
    throw Fault("broken PNG: expected rows of " + std::to_string(want) + " bytes, found " +
                std::to_string(png_get_rowbytes(r.png, r.info)));
  }
  if (!read_rows(r, image.rgb.data(), image.width * 3, image.height, passes)) fail(r);
  return image;
}

}  // namespace sterna::vision
