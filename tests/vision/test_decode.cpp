#include <doctest/doctest.h>
#include <sterna/quant/error.h>
#include <sterna/vision/decode.h>
#include <sterna/vision/resize.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "pixels_support.h"

using namespace sterna;
using namespace sterna::vision;

namespace {

/// A build with STERNA_OPENCV=OFF: stb_image alone, whose JPEG transform and upsampling round
/// differently, and which has no WebP, TIFF, JPEG 2000 or PNM.
const bool kPortable = decoder_name() == "stb_image";

std::string message_of(const std::string& path, const DecodeLimits& limits = {}) {
  try {
    decode_file(path, limits);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

bool supported(Format f) {
  return !kPortable || f == Format::jpeg || f == Format::png || f == Format::gif ||
         f == Format::bmp;
}

}  // namespace

TEST_CASE("decoded pixels equal Pillow's") {
  for (const auto& row : test::table(test::golden("decoded.tsv"))) {
    const std::string& file = row.at(0);
    INFO(file);
    const auto data = test::read(test::golden(file));
    const Probe p = probe(test::bytes_of(data), file);
    CHECK(p.orientation == std::stoi(row.at(3)));
    CHECK(p.width == std::stoul(row.at(4)));
    CHECK(p.height == std::stoul(row.at(5)));
    if (!supported(p.format)) {
      CHECK_THROWS_AS(decode(test::bytes_of(data), {}, file), Error);
      continue;
    }
    // stb: Adobe CMYK is converted by another rule, transparent GIF pixels become the background.
    if (kPortable && (file == "cmyk.jpg" || file == "ycck.jpg" || file == "transparent.gif" ||
                      file == "inset.gif" || file == "overhang.gif")) {
      continue;
    }
    const Image image = decode(test::bytes_of(data), {}, file);
    CHECK(image.width == std::stoul(row.at(1)));
    CHECK(image.height == std::stoul(row.at(2)));
    const auto want = test::read(test::golden(file + ".rgb"));
    REQUIRE(image.rgb.size() == want.size());
    // stb's inverse DCT and upsampling round otherwise, and its upsampling mixes up the weights of
    // the last two columns of a row.
    const bool loose = kPortable && p.format == Format::jpeg;
    int worst = 0;
    for (size_t i = 0; i < want.size(); ++i) {
      if (loose && i / 3 % image.width + 2 >= image.width) continue;
      worst = std::max(worst, std::abs(image.rgb[i] - want[i]));
    }
    CHECK(worst <= (loose ? 4 : 0));
    CHECK(decode_file(test::golden(file)).rgb == image.rgb);
  }
}

TEST_CASE("the bundled photographs decode and resize to Pillow's bytes") {
  for (const auto& row : test::table(test::golden("photos.tsv"))) {
    const Image image =
        decode_file(std::string(STERNA_SOURCE_DIR) + "/tools/examples/photos/" + row.at(0));
    CHECK(image.width == std::stoul(row.at(1)));
    CHECK(image.height == std::stoul(row.at(2)));
    if (kPortable) continue;  // a few levels off, as bounded above
    CHECK(test::fnv1a(image.rgb) == row.at(3));
    CHECK(test::fnv1a(resize(image.view(), 224, 224, Filter::bicubic).rgb) == row.at(4));
  }
}

TEST_CASE("JPEGs of a reduced size are Pillow's drafts, never smaller than asked for") {
  size_t smaller = 0;
  for (const auto& row : test::table(test::golden("reduced.tsv"))) {
    const bool photo = row.at(0) == "cat.jpg" || row.at(0) == "coffee.jpg";
    const std::string file =
        photo ? std::string(STERNA_SOURCE_DIR) + "/tools/examples/photos/" + row.at(0)
              : test::golden(row.at(0));
    DecodeLimits limits;
    const Image whole = decode_file(file, limits);
    limits.reduced_side = std::stoul(row.at(1));
    const Image image = decode_file(file, limits);
    INFO(row.at(0), " ", limits.reduced_side);
    if (kPortable) {
      CHECK(image.rgb == whole.rgb);
      continue;
    }
    CHECK(image.width == std::stoul(row.at(2)));
    CHECK(image.height == std::stoul(row.at(3)));
    CHECK(test::fnv1a(image.rgb) == row.at(4));
    smaller += image.width < whole.width;
    if (std::min(whole.width, whole.height) >= limits.reduced_side)
      CHECK(std::min(image.width, image.height) >= limits.reduced_side);
    // What is too large whole is refused, however small it would come out.
    limits.max_pixels = whole.width * whole.height - 1;
    CHECK_THROWS_AS(decode_file(file, limits), Error);
  }
  CHECK((kPortable || smaller > 10));
  DecodeLimits limits;
  limits.reduced_side = 1;
  CHECK(decode_file(test::golden("gray.bmp"), limits).rgb ==
        decode_file(test::golden("gray.bmp")).rgb);
}

TEST_CASE("orientation is left alone when asked") {
  DecodeLimits limits;
  limits.orient = false;
  const Image stored = decode_file(test::golden("exif6.jpg"), limits);
  CHECK(stored.width == 19);
  CHECK(stored.height == 11);
  const Image turned = decode_file(test::golden("exif6.jpg"));
  CHECK(turned.width == 11);
  CHECK(turned.height == 19);
}

TEST_CASE("broken files are refused with one line that names file and fault") {
  size_t n = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test::golden("broken"))) {
    const std::string path = entry.path().string();
    const std::string message = message_of(path);
    INFO(path, " -> ", message);
    CHECK(message.starts_with(path + ": "));
    CHECK(message.find('\n') == message.npos);
    ++n;
  }
  CHECK(n >= 18);
}

TEST_CASE("messages say what was expected and what was found") {
  const auto has = [](const std::string& message, const char* part) {
    INFO(message);
    CHECK(message.find(part) != message.npos);
  };
  has(message_of(test::golden("broken/text.jpg")), "found text");
  has(message_of(test::golden("broken/empty.jpg")), "found an empty file");
  has(message_of(test::golden("broken/heic.jpg")), "brand \"heic\"");
  has(message_of(test::golden("broken/bomb100mp.png")),
      "expected at most 89478485 pixels, found 10000 x 10001");
  has(message_of(test::golden("broken/bomb.jpg")), "found 65000 x 65000");
  has(message_of(test::golden("broken/half_base.jpg")), "truncated JPEG");
  has(message_of(test::golden("broken/zero.jpg")), "found one of 0 x 0");
  has(message_of(test::golden("broken/ten_bits.pgm")),
      "expected PNM samples up to 255 or 65535, found up to 1023");
  has(message_of(test::golden("no such file.jpg")), "No such file or directory");
  has(message_of(test::golden("broken")), "found a directory");
  DecodeLimits small;
  small.max_file_bytes = 100;
  has(message_of(test::golden("base.jpg"), small), "expected at most 100 bytes");
  small = {};
  small.max_pixels = 45 * 31 - 1;
  const std::string large = message_of(test::golden("base.jpg"), small);
  has(large, "found 45 x 31");
  CHECK(large.ends_with("31"));  // no advice that only a programmer could follow
}

TEST_CASE("TIFF samples that are not read are told of as they are") {
  if (kPortable) return;
  // One grey pixel, `bits` wide, in format `kind` (1: unsigned, 3: floating point).
  const auto fault = [](uint16_t bits, uint16_t kind) {
    std::vector<uint8_t> file = {'I', 'I', 42, 0, 8, 0, 0, 0};
    const auto put = [&](uint32_t value, size_t bytes) {
      for (size_t i = 0; i < bytes; ++i) file.push_back(static_cast<uint8_t>(value >> 8 * i));
    };
    const std::vector<std::array<uint16_t, 2>> fields = {
        {256, 1}, {257, 1}, {258, bits}, {259, 1}, {262, 1}, {273, 134}, {277, 1}, {278, 1},
        {279, static_cast<uint16_t>(bits / 8)}};
    put(static_cast<uint32_t>(fields.size()) + 1, 2);
    for (const auto& field : fields) {
      put(field[0], 2), put(3, 2), put(1, 4), put(field[1], 4);
    }
    put(339, 2), put(3, 2), put(1, 4), put(kind, 4);
    put(0, 4);
    file.resize(134);
    put(0x3F800000, 4);
    put(0, 4);
    try {
      decode(test::bytes_of(file), {}, "a.tif");
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(fault(8, 1).empty());
  CHECK(fault(16, 1).empty());
  const std::string expected = "a.tif: expected TIFF samples of 1, 2, 4, 8 or 16 bits, found ";
  CHECK(fault(32, 1) == expected + "32");
  CHECK(fault(12, 1) == expected + "12");
  CHECK(fault(32, 3) == expected + "32 of floating point");
  CHECK(fault(16, 3) == expected + "16 of floating point");
}

TEST_CASE("every prefix of a file is decoded or refused, never worse") {
  for (const char* file : {"base.jpg", "progressive.jpg", "exif6.jpg", "palette.png",
                           "interlaced.png", "lossy_alpha.webp", "lossless.webp", "still.gif",
                           "animated.gif", "palette.bmp", "lzw.tif", "rgb.ppm"}) {
    const auto data = test::read(test::golden(file));
    for (size_t n = 0; n < data.size(); n += std::max<size_t>(1, data.size() / 97)) {
      // An exact copy, so that a sanitizer sees any read past its end.
      const std::vector<uint8_t> prefix(data.begin(), data.begin() + static_cast<ptrdiff_t>(n));
      INFO(file, " ", n);
      try {
        decode(test::bytes_of(prefix), {}, file);
      } catch (const Error&) {
      }
    }
  }
}
