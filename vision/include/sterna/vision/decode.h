#pragma once

#include <sterna/vision/image.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace sterna::vision {

/// Picture files this library recognises by their first bytes (never by their name).
enum class Format { jpeg, png, webp, gif, bmp, tiff, jpeg2000, pnm };

/// "JPEG", "PNG", ...
std::string_view name(Format format) noexcept;

/// What the header of a picture says, before anything is decoded.
struct Probe {
  Format format = Format::jpeg;
  size_t width = 0;  // as stored; orientations 5..8 swap them when decoded
  size_t height = 0;
  int orientation = 1;  // EXIF/TIFF orientation 1..8 (XMP's where EXIF has none)
};

/// What a decoder may be asked to do by a file that is not trusted. Checked before allocation.
struct DecodeLimits {
  uint64_t max_pixels = 89'478'485;             // Pillow's own "decompression bomb" limit
  uint64_t max_file_bytes = uint64_t{1} << 29;  // 512 MiB
  bool orient = true;                           // turn the picture as its EXIF says
  /// Not 0: a JPEG comes out at 1/2, 1/4 or 1/8 of its size, the smallest of which neither side is
  /// below this (rounded up; libjpeg's scaled inverse DCT, as Pillow's `Image.draft`). Faster, and
  /// not the pixels that a whole picture resizes to. Other formats, and stb_image, come out whole.
  size_t reduced_side = 0;
};

/// Reads the header only: O(metadata), allocates next to nothing. Throws sterna::Error
/// ("NAME: expected a picture (JPEG, PNG, ...), found ...") for anything it does not recognise.
Probe probe(std::span<const std::byte> bytes, std::string_view name = "picture");

/// Decodes the first frame to 8-bit RGB, turned upright by its EXIF orientation.
///
/// Pixels equal Pillow 13: `ImageOps.exif_transpose(Image.open(f)).convert("RGB")`: JPEG with the
/// accurate integer DCT and fancy upsampling; CMYK and YCCK taken as Adobe's inverted values; alpha
/// dropped, not blended; 16 bits by their high byte (of grey too, which Pillow clips at 255 to
/// white); embedded colour profiles and gamma ignored. A build with STERNA_OPENCV=OFF decodes JPEG,
/// PNG, GIF and BMP with stb_image alone, whose JPEG pixels differ by a few levels; decoder_name()
/// tells.
///
/// Throws sterna::Error, one line "NAME: what was expected, what was found": unknown format,
/// truncated or corrupt data (JPEG as Pillow: damage inside a scan is decoded as far as the
/// entropy coder can resynchronise, missing rows are an error), or limits exceeded.
Image decode(std::span<const std::byte> bytes, const DecodeLimits& limits = {},
             std::string_view name = "picture");

/// decode() of a file; also throws for a missing file, a directory, an empty or unreadable one.
Image decode_file(const std::filesystem::path& path, const DecodeLimits& limits = {});

/// "libjpeg-turbo, libpng, ..." or "stb_image": which libraries this build decodes with.
std::string_view decoder_name() noexcept;

}  // namespace sterna::vision
