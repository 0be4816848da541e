#pragma once

#include <optional>

#include "codec.h"

namespace sterna::vision {

/// Tag 0x0112 of the first directory of a TIFF structure (the body of an EXIF block, or a TIFF
/// file). nullopt where it is absent, broken, or not 1..8.
std::optional<int> tiff_orientation(Bytes tiff);

/// The first `tiff:Orientation="N"` or `<tiff:Orientation>N` of an XMP packet: Pillow's fallback
/// (Image.getexif) where EXIF has no orientation.
std::optional<int> xmp_orientation(Bytes xmp);

/// The image as orientation 1..8 says it should be seen (PIL.ImageOps.exif_transpose).
Image turned(Image image, int orientation);

}  // namespace sterna::vision
