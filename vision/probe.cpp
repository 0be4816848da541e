// Reads headers by hand: a few hundred bytes of each format say how large the picture is and how
// it is turned, and no codec has to be loaded to know it. Every length is checked against the
// bytes that remain before it is used.

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <span>
#include <string>

#include "codec.h"
#include "orientation.h"

namespace sterna::vision {
namespace {

/// The rest of `b` from i on; empty past its end.
Bytes from(Bytes b, size_t i) { return i < b.size() ? b.subspan(i) : Bytes{}; }

void need(Bytes b, size_t n, const char* what) {
  if (b.size() < n) {
    throw Fault(std::string("truncated ") + what + ": the header ends after " +
                std::to_string(b.size()) + " bytes");
  }
}

/// EXIF blocks come with or without the name JPEG puts in front of them.
std::optional<int> exif_orientation(Bytes exif) {
  while (has(exif, 0, std::string_view("Exif\0\0", 6))) exif = exif.subspan(6);
  return tiff_orientation(exif);
}

Probe probe_jpeg(Bytes b) {
  Probe p{Format::jpeg, 0, 0, 1};
  std::optional<int> exif, xmp;
  for (size_t i = 2;;) {
    while (i < b.size() && u8(b, i) != 0xFF) ++i;  // junk between segments, as libjpeg skips it
    while (i < b.size() && u8(b, i) == 0xFF) ++i;
    need(b, i + 3, "JPEG");
    const uint8_t marker = u8(b, i);
    if (marker == 0 || marker == 1 || (marker >= 0xD0 && marker <= 0xD8)) {
      ++i;
      continue;
    }
    if (marker == 0xD9 || marker == 0xDA) {
      throw Fault("broken JPEG: expected a frame header before the first scan, found none");
    }
    const size_t length = be16(b, i + 1);
    if (length < 2) throw Fault("broken JPEG: a segment of length " + std::to_string(length));
    need(b, i + 1 + length, "JPEG");
    const Bytes body = b.subspan(i + 3, length - 2);
    constexpr std::string_view kXmp("http://ns.adobe.com/xap/1.0/\0", 29);
    if (marker == 0xE1 && !exif && has(body, 0, std::string_view("Exif\0\0", 6))) {
      exif = exif_orientation(body);
    } else if (marker == 0xE1 && !xmp && has(body, 0, kXmp)) {
      xmp = xmp_orientation(body.subspan(kXmp.size()));
    } else if (marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 &&
               marker != 0xCC) {
      need(body, 6, "JPEG");
      p.height = be16(body, 1);
      p.width = be16(body, 3);
      p.orientation = exif.value_or(xmp.value_or(1));
      return p;
    }
    i += 1 + length;
  }
}

Probe probe_png(Bytes b) {
  need(b, 33, "PNG");
  if (!has(b, 12, "IHDR")) throw Fault("broken PNG: expected IHDR first, found another chunk");
  Probe p{Format::png, be32(b, 16), be32(b, 20), 1};
  std::optional<int> exif, xmp;
  // Metadata may follow the pixels, so every chunk header is visited.
  for (size_t i = 33; b.size() - i >= 12;) {
    const size_t length = be32(b, i);
    if (length > b.size() - i - 12) break;
    const Bytes body = b.subspan(i + 8, length);
    if (has(b, i + 4, "eXIf") && !exif) exif = exif_orientation(body);
    // iTXt: keyword, NUL, compressed?, method, language, NUL, translated keyword, NUL, text.
    constexpr std::string_view kXmp("XML:com.adobe.xmp\0\0\0", 20);
    if (has(b, i + 4, "iTXt") && !xmp && has(body, 0, kXmp)) {
      xmp = xmp_orientation(body.subspan(kXmp.size()));
    }
    i += 12 + length;
  }
  p.orientation = exif.value_or(xmp.value_or(1));
  return p;
}

Probe probe_webp(Bytes b) {
  need(b, 30, "WebP");
  Probe p{Format::webp, 0, 0, 1};
  if (has(b, 12, "VP8 ")) {
    p.width = le16(b, 26) & 0x3FFF;
    p.height = le16(b, 28) & 0x3FFF;
  } else if (has(b, 12, "VP8L")) {
    const uint32_t bits = le32(b, 21);
    p.width = (bits & 0x3FFF) + 1;
    p.height = (bits >> 14 & 0x3FFF) + 1;
  } else if (has(b, 12, "VP8X")) {
    p.width = (le32(b, 24) & 0xFFFFFF) + 1;
    p.height = (le32(b, 26) >> 8) + 1;
    std::optional<int> exif, xmp;
    for (size_t i = 12; b.size() - i >= 8;) {
      const size_t length = le32(b, i + 4);
      if (length > b.size() - i - 8) break;
      const Bytes body = b.subspan(i + 8, length);
      if (has(b, i, "EXIF") && !exif) exif = exif_orientation(body);
      if (has(b, i, "XMP ") && !xmp) xmp = xmp_orientation(body);
      i = std::min(i + 8 + length + (length & 1), b.size());
    }
    p.orientation = exif.value_or(xmp.value_or(1));
  } else {
    throw Fault("broken WebP: expected a VP8, VP8L or VP8X chunk, found another");
  }
  return p;
}

/// The screen, widened to hold the first frame as Pillow does.
Probe probe_gif(Bytes b) {
  need(b, 13, "GIF");
  Probe p{Format::gif, le16(b, 6), le16(b, 8), 1};
  size_t i = 13;
  if ((u8(b, 10) & 0x80) != 0) i += size_t{3} << ((u8(b, 10) & 7) + 1);
  for (;;) {
    need(b, i + 1, "GIF");
    const uint8_t kind = u8(b, i);
    if (kind == ',') {
      need(b, i + 10, "GIF");
      p.width = std::max<size_t>(p.width, le16(b, i + 1) + le16(b, i + 5));
      p.height = std::max<size_t>(p.height, le16(b, i + 3) + le16(b, i + 7));
      return p;
    }
    if (kind == ';') throw Fault("GIF without a picture");
    if (kind != '!') {
      ++i;  // junk, as Pillow skips it
      continue;
    }
    for (i += 2;;) {
      need(b, i + 1, "GIF");
      const size_t block = u8(b, i);
      i += 1 + block;
      if (block == 0) break;
    }
  }
}

Probe probe_bmp(Bytes b) {
  need(b, 26, "BMP");
  const uint32_t header = le32(b, 14);
  if (header == 12) return {Format::bmp, le16(b, 18), le16(b, 20), 1};
  if (header < 40) {
    throw Fault("broken BMP: expected a header of 12 or at least 40 bytes, found " +
                std::to_string(header));
  }
  // Width is signed too; a negative one wraps to a size that the limit refuses.
  const uint32_t height = le32(b, 22);
  return {Format::bmp, le32(b, 18), height >> 31 ? 0 - height : height, 1};
}

Probe probe_tiff(Bytes b) {
  need(b, 16, "TIFF");
  const bool little = has(b, 0, "II");
  const auto u16 = [&](size_t i) { return little ? le16(b, i) : be16(b, i); };
  const auto u32 = [&](size_t i) { return little ? le32(b, i) : be32(b, i); };
  const auto u64 = [&](size_t i) {
    const uint64_t first = u32(i), second = u32(i + 4);
    return little ? second << 32 | first : first << 32 | second;
  };
  const bool big = u16(2) == 43;  // BigTIFF: 8-byte counts and offsets
  const uint64_t directory = big ? u64(8) : u32(4);
  const size_t head = big ? 8 : 2, entry = big ? 20 : 12;
  if (directory > b.size() || b.size() - directory < head) {
    throw Fault("truncated TIFF: expected a directory at byte " + std::to_string(directory) +
                ", found " + std::to_string(b.size()) + " bytes");
  }
  const auto dir = static_cast<size_t>(directory);
  const uint64_t count =
      std::min<uint64_t>(big ? u64(dir) : u16(dir), (b.size() - dir - head) / entry);
  Probe p{Format::tiff, 0, 0, 1};
  for (uint64_t k = 0; k < count; ++k) {
    const size_t at = dir + head + static_cast<size_t>(k) * entry;
    const size_t value_at = at + (big ? 12 : 8);
    const uint32_t type = u16(at + 2);
    const uint32_t value = type == 3 ? u16(value_at) : type == 1 ? u8(b, value_at) : u32(value_at);
    const uint32_t tag = u16(at);
    // Where a broken file repeats a tag libtiff takes the first.
    if (tag == 256 && p.width == 0) p.width = value;
    if (tag == 257 && p.height == 0) p.height = value;
    if (tag == 274 && value >= 1 && value <= 8) p.orientation = static_cast<int>(value);
  }
  return p;
}

/// A JPEG 2000 code stream: SOC, then SIZ.
Probe probe_codestream(Bytes b) {
  need(b, 24, "JPEG 2000");
  if (be32(b, 0) != 0xFF4FFF51) throw Fault("broken JPEG 2000: expected a SIZ marker");
  const uint32_t x1 = be32(b, 8), y1 = be32(b, 12), x0 = be32(b, 16), y0 = be32(b, 20);
  if (x1 < x0 || y1 < y0) throw Fault("broken JPEG 2000: an area of negative size");
  return {Format::jpeg2000, x1 - x0, y1 - y0, 1};
}

/// The code stream inside the boxes of a .jp2 file: its size is the one that gets decoded.
Probe probe_jp2(Bytes b) {
  for (size_t i = 0; b.size() - i >= 16;) {
    uint64_t length = be32(b, i);
    size_t head = 8;
    if (length == 1) {
      length = uint64_t{be32(b, i + 8)} << 32 | be32(b, i + 12);
      head = 16;
    }
    if (has(b, i + 4, "jp2c")) return probe_codestream(from(b, i + head));
    if (length < head || length > b.size() - i) break;
    i += static_cast<size_t>(length);
  }
  throw Fault("broken JPEG 2000: expected a code stream box, found none");
}

Probe probe_pnm(Bytes b) {
  // Width, height and, but for bitmaps, the largest sample.
  const uint8_t kind = u8(b, 1);
  std::array<uint64_t, 3> size{0, 0, 255};
  const bool bitmap = kind == '1' || kind == '4', binary = kind >= '4';
  size_t i = 2;
  for (uint64_t& value : std::span(size).first(bitmap ? 2 : 3)) {
    value = 0;
    for (; i < b.size(); ++i) {
      if (u8(b, i) == '#') {
        while (i < b.size() && u8(b, i) != '\n') ++i;
        if (i == b.size()) break;
      } else if (std::isspace(u8(b, i)) == 0) {
        break;
      }
    }
    const size_t first = i;
    for (; i < b.size() && std::isdigit(u8(b, i)) != 0 && i - first < 10; ++i) {
      value = value * 10 + (u8(b, i) - uint8_t{'0'});
    }
    if (i == first) {
      throw Fault(bitmap ? "broken PNM: expected width and height as numbers"
                         : "broken PNM: expected width, height and largest sample as numbers");
    }
  }
  // OpenCV takes binary samples as they are, whatever the largest may be.
  if (binary && size[2] != 255 && size[2] != 65535) {
    throw Fault("expected PNM samples up to 255 or 65535, found up to " + std::to_string(size[2]));
  }
  return {Format::pnm, static_cast<size_t>(size[0]), static_cast<size_t>(size[1]), 1};
}

/// What an unknown file looks like, for the message.
std::string describe(Bytes b) {
  if (b.size() >= 12 && has(b, 4, "ftyp")) {
    std::string brand;
    for (size_t i = 8; i < 12; ++i) {
      brand += std::isalnum(u8(b, i)) != 0 ? static_cast<char>(u8(b, i)) : '?';
    }
    return "an ISO media file of brand \"" + brand + "\"";
  }
  const Bytes head = b.first(std::min<size_t>(b.size(), 512));
  const bool text = std::all_of(head.begin(), head.end(), [](std::byte c) {
    const auto v = std::to_integer<uint8_t>(c);
    return v >= 0x20 ? v != 0x7F : v == '\n' || v == '\r' || v == '\t' || v == '\f';
  });
  if (text) return "text";
  std::string hex;
  for (size_t i = 0; i < std::min<size_t>(b.size(), 8); ++i) {
    char two[4];
    std::snprintf(two, sizeof two, " %02x", u8(b, i));
    hex += two;
  }
  return "a file that begins with bytes" + hex;
}

}  // namespace

Probe probe_header(Bytes b) {
  if (b.empty()) throw Fault("expected a picture, found an empty file");
  if (has(b, 0, "\xFF\xD8\xFF")) return probe_jpeg(b);
  if (has(b, 0, "\x89PNG\r\n\x1A\n")) return probe_png(b);
  if (has(b, 0, "RIFF") && has(b, 8, "WEBP")) return probe_webp(b);
  if (has(b, 0, "GIF87a") || has(b, 0, "GIF89a")) return probe_gif(b);
  using namespace std::string_view_literals;
  if (has(b, 0, "II*\0"sv) || has(b, 0, "MM\0*"sv) || has(b, 0, "II+\0"sv) ||
      has(b, 0, "MM\0+"sv)) {
    return probe_tiff(b);
  }
  if (has(b, 0, "\0\0\0\x0CjP  \r\n\x87\n"sv)) return probe_jp2(b);
  if (has(b, 0, "\xFF\x4F\xFF\x51")) return probe_codestream(b);
  // Two letters are weak evidence: what follows has to agree.
  if (has(b, 0, "BM") && b.size() >= 18 && le32(b, 14) >= 12 && le32(b, 14) <= 124) {
    return probe_bmp(b);
  }
  if (b.size() >= 3 && u8(b, 0) == 'P' && u8(b, 1) >= '1' && u8(b, 1) <= '6' &&
      (std::isspace(u8(b, 2)) != 0 || u8(b, 2) == '#')) {
    return probe_pnm(b);
  }
  throw Fault("expected a picture (JPEG, PNG, WebP, GIF, BMP, TIFF, JPEG 2000, PNM), found " +
              describe(b));
}

}  // namespace sterna::vision
