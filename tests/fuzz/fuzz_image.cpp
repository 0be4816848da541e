// Any bytes as a picture: the header reader, the decoder under small limits, and what is decoded
// through the resize, whose fastest kernels must agree with the scalar ones.

#include <sterna/quant/error.h>
#include <sterna/quant/isa.h>
#include <sterna/vision/decode.h>
#include <sterna/vision/resize.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

using namespace sterna;
using namespace sterna::vision;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

std::vector<uint8_t> resized(const Image& image, size_t width, size_t height, quant::Isa isa) {
  std::vector<uint8_t> out(width * height * 3);
  nn::Workspace workspace;
  resize_window(image.view(), width, height, Filter::bicubic, {0, 0, width, height}, out.data(),
                workspace, nullptr, isa);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  DecodeLimits limits;
  limits.max_pixels = 1 << 16;
  limits.max_file_bytes = 1 << 16;
  Probe header;
  try {
    header = probe(bytes);
  } catch (const Error&) {
    try {
      decode(bytes, limits);
    } catch (const Error&) {
      return 0;
    }
    check(false);  // decoded what the header reader refused
  }
  check(header.orientation >= 1 && header.orientation <= 8);
  // These two go to OpenCV's decoders, whose faults are not ours to find.
  if (header.format == Format::jpeg2000 || header.format == Format::pnm) return 0;
  Image image;
  try {
    image = decode(bytes, limits);
  } catch (const Error&) {
    return 0;
  }
  const bool turned = header.orientation >= 5;
  check(image.width == (turned ? header.height : header.width));
  check(image.height == (turned ? header.width : header.height));
  check(image.rgb.size() == image.width * image.height * 3);
  limits.reduced_side = 1 + size % 64;  // a JPEG at a fraction of its size
  try {
    const Image small = decode(bytes, limits);
    check(small.width <= image.width && small.height <= image.height);
    check(small.rgb.size() == small.width * small.height * 3);
  } catch (const Error&) {
    check(header.format == Format::jpeg);  // damage may show in one and not in the other
  }
  const size_t width = 1 + size % 37, height = 1 + size % 23;
  check(resized(image, width, height, quant::best_isa()) ==
        resized(image, width, height, quant::Isa::scalar));
  return 0;
}
