#include "sample_inputs.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>

namespace sterna::models {
namespace {

constexpr uint64_t kPictures = 2, kTexts = 4, kWords = 6, kPatches = 14;

class Samples {
 public:
  explicit Samples(const FolderModel& model) : model_(model) {}

  SafetensorsBytes run() {
    const bool whole = model_.kind == FolderModel::Kind::vljepa;
    if (model_.vision) {
      see(*model_.vision, whole);
      texts_ = kPictures;  // a question a picture
    }
    if (!model_.text) return file_;
    const size_t words = model_.text->tower.vocabulary();
    if (whole) {
      read("query_ids", model_.predictor->vocabulary());
      read("target_ids", words);
    } else {
      read("input_ids", words);
    }
    return file_;
  }

 private:
  void see(const VisionPart& part, bool whole) {
    const uint64_t patch = part.vit.patch_size();
    if (part.input == VisionPart::Input::patches) {
      const uint64_t across = 6, down = 4, n = across * down;
      noise("pixel_values", {kPictures, n, 3 * patch * patch});
      const std::vector<int64_t> sides{down, across, across, down};
      file_.add("spatial_shapes", Dtype::i64, std::vector{kPictures, uint64_t{2}},
                std::as_bytes(std::span(sides)));
      return;
    }
    const uint64_t side = part.vit.side() != 0 ? part.vit.side() : kPatches * patch;
    const bool clips = part.input == VisionPart::Input::clips;
    if (whole || clips) {
      const uint64_t frames = clips ? 2 * part.vit.tubelet() : 1;
      noise(whole ? "pixels" : "pixel_values_videos", {kPictures, frames, 3, side, side});
    } else {
      noise("pixel_values", {kPictures, 3, side, side});
    }
  }

  void noise(const char* name, const std::vector<uint64_t>& shape) {
    uint64_t n = 1;
    for (const uint64_t d : shape) n *= d;
    std::vector<float> values(n);
    // Sums of uniform numbers, which are the same in every standard library.
    for (float& v : values) {
      v = -6;
      for (int i = 0; i < 12; ++i) v += static_cast<float>(random_() >> 8) * 0x1p-24F;
    }
    file_.add(name, Dtype::f32, shape, std::as_bytes(std::span(values)));
  }

  void read(const char* name, size_t vocabulary) {
    std::vector<int64_t> ids(texts_ * kWords);
    for (int64_t& id : ids) id = static_cast<int64_t>(random_() % vocabulary);
    file_.add(name, Dtype::i64, std::vector{texts_, kWords}, std::as_bytes(std::span(ids)));
  }

  const FolderModel& model_;
  SafetensorsBytes file_;
  uint64_t texts_ = kTexts;
  std::mt19937 random_{1};
};

}  // namespace

void SafetensorsBytes::add(std::string_view name, Dtype dtype, std::span<const uint64_t> shape,
                           std::span<const std::byte> data) {
  const nlohmann::json entry{{"dtype", models::name(dtype)},
                             {"shape", std::vector<uint64_t>(shape.begin(), shape.end())},
                             {"data_offsets", {data_.size(), data_.size() + data.size()}}};
  header_ += (header_.empty() ? "" : ",") + nlohmann::json(name).dump() + ":" + entry.dump();
  data_.insert(data_.end(), data.begin(), data.end());
}

std::vector<std::byte> SafetensorsBytes::bytes() const {
  const std::string header = "{" + header_ + "}";
  const uint64_t size = header.size();
  std::vector<std::byte> out(sizeof size + header.size());
  std::memcpy(out.data(), &size, sizeof size);
  std::memcpy(out.data() + sizeof size, header.data(), header.size());
  out.insert(out.end(), data_.begin(), data_.end());
  return out;
}

SafetensorsBytes sample_inputs(const FolderModel& model) { return Samples(model).run(); }

}  // namespace sterna::models
