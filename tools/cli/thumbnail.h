#pragma once

#include <sterna/vision/image.h>

#include <cstddef>
#include <memory>
#include <vector>

namespace sterna::cli {

/// A small picture for reports: at most `side` pixels wide and high.
std::shared_ptr<const vision::Image> thumbnail(const vision::ImageView& picture, size_t side);

/// A JPEG file of the picture.
std::vector<std::byte> jpeg(const vision::Image& picture);

}  // namespace sterna::cli
