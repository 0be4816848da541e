#include "cli/thumbnail.h"

#include <sterna/quant/error.h>
#include <sterna/vision/resize.h>

#include <algorithm>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

namespace sterna::cli {

std::shared_ptr<const vision::Image> thumbnail(const vision::ImageView& picture, size_t side) {
  const size_t longest = std::max(picture.width, picture.height);
  const auto scaled = [&](size_t n) { return std::max<size_t>(1, n * side / longest); };
  return std::make_shared<vision::Image>(vision::resize(
      picture, longest <= side ? picture.width : scaled(picture.width),
      longest <= side ? picture.height : scaled(picture.height), vision::Filter::box));
}

std::vector<std::byte> jpeg(const vision::Image& picture) {
  std::vector<std::byte> bytes;
  const auto append = [](void* context, void* data, int size) {
    auto& out = *static_cast<std::vector<std::byte>*>(context);
    const auto* begin = static_cast<const std::byte*>(data);
    out.insert(out.end(), begin, begin + size);
  };
  if (stbi_write_jpg_to_func(append, &bytes, static_cast<int>(picture.width),
                             static_cast<int>(picture.height), 3, picture.rgb.data(), 80) == 0) {
    throw Error("thumbnail: could not be encoded");
  }
  return bytes;
}

}  // namespace sterna::cli
