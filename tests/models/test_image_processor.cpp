#include <doctest/doctest.h>
#include <sterna/quant/error.h>
#include <sterna/vision/image_processor.h>
#include <tests/support/folder.h>
#include <tests/support/worse.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "models/image_processor_config.h"
#include "tests/vision/pixels_support.h"

using namespace sterna;
using vision::ImageProcessor;
using Backend = vision::ImageProcessorSettings::Backend;

namespace {

const std::filesystem::path kFolder =
    std::filesystem::path(STERNA_TEST_DATA) / "golden/processors";

/// A line of cases.tsv, as make_processors.py writes it.
struct Case {
  std::string folder, model_type;
  vision::Image picture;
  vision::Sides sides;
  std::string bytes, floats;  // hashes
};

std::vector<Case> cases() {
  std::vector<Case> list;
  for (const auto& row : test::table((kFolder / "cases.tsv").string())) {
    const auto number = [&](size_t i) { return static_cast<size_t>(std::stoul(row.at(i))); };
    list.push_back({row.at(0), row.at(1),
                    test::noise(number(4), number(5), number(3), row.at(2) == "blocks"),
                    {number(6), number(7)},
                    row.at(8),
                    row.at(9)});
  }
  return list;
}

std::string name_of(const Case& c) {
  return c.folder + " " + std::to_string(c.picture.width) + " x " +
         std::to_string(c.picture.height);
}

std::string hash(const std::vector<float>& values) {
  return test::fnv1a(
      {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(float)});
}

std::vector<float> read_floats(const std::filesystem::path& path) {
  const test::Bytes bytes = test::read_file(path);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

std::string message_for(const std::string& json, const std::string& type = "vit") {
  const test::Folder scratch;
  std::ofstream(scratch / "preprocessor_config.json") << json;
  std::string message = test::message_of<Error>(
      [&] { models::read_image_processor(models::Source::open(scratch.path()), type, false); });
  const std::string file = (scratch / "preprocessor_config.json").string() + ": ";
  CHECK((message.empty() || message.starts_with(file)));
  return message.substr(std::min(message.size(), file.size()));
}

}  // namespace

TEST_CASE("every image processor gives transformers' pixels, bytes and floats bit for bit") {
  const nn::Executor three(3);
  nn::Workspace workspace;
  size_t exact = 0;
  for (const Case& c : cases()) {
    const bool clips = c.model_type == "vjepa2";
    const ImageProcessor processor(models::read_image_processor(
        models::Source::open(kFolder / c.folder), c.model_type, clips));
    INFO(name_of(c));
    CHECK(processor.sides({c.picture.width, c.picture.height}) == c.sides);
    if (processor.sides({c.picture.width, c.picture.height}) != c.sides) continue;
    std::vector<float> floats(3 * c.sides.width * c.sides.height);
    if (processor.settings().backend == Backend::torchvision_float) continue;
    std::vector<uint8_t> bytes(floats.size());
    processor.pixels(c.picture.view(), bytes, workspace);
    CHECK(test::fnv1a(bytes) == c.bytes);
    processor.pixels(c.picture.view(), bytes, workspace, &three, quant::Isa::scalar);
    CHECK(test::fnv1a(bytes) == c.bytes);
    processor.forward(c.picture.view(), floats, workspace, &three);
    CHECK(hash(floats) == c.floats);
    ++exact;
  }
  CHECK(exact > 200);
}

TEST_CASE("DINOv3's processor, which resizes floats, agrees with torchvision to 2^-20") {
  nn::Workspace workspace;
  const nn::Executor three(3);
  size_t seen = 0;
  for (const Case& c : cases()) {
    if (c.model_type != "dinov3_vit") continue;
    const ImageProcessor processor(
        models::read_image_processor(models::Source::open(kFolder / c.folder), "", false));
    const auto& s = processor.settings();
    const auto want =
        read_floats(kFolder / (c.folder + "." + std::to_string(c.picture.width) + "x" +
                               std::to_string(c.picture.height) + ".f32"));
    std::vector<float> found(3 * c.sides.width * c.sides.height), again(found.size());
    processor.forward(c.picture.view(), found, workspace);
    processor.forward(c.picture.view(), again, workspace, &three);
    CHECK(found == again);
    REQUIRE(found.size() == want.size());
    float largest = 0, error = 0;
    for (size_t k = 0; k < 3; ++k)
      largest =
          std::max(largest, static_cast<float>(std::max(1 - s.mean[k], s.mean[k]) / s.std[k]));
    for (size_t i = 0; i < want.size(); ++i)
      error = test::worse(error, std::fabs(found[i] - want[i]));
    INFO(name_of(c), ": ", error, " of ", largest);
    CHECK(error <= std::ldexp(largest, -20));
    ++seen;
  }
  CHECK(seen == 18);
}

TEST_CASE("what a preprocessor_config.json says and is not run is an error that names it") {
  CHECK(message_for(R"({"image_processor_type": "OwlViTImageProcessor"})")
            .starts_with("image_processor_type: expected one of BeitImageProcessor, "));
  CHECK(message_for("{}", "bert").starts_with("image_processor_type: expected one of "));
  CHECK(message_for(R"({"do_flip_channel_order": true})") ==
        "do_flip_channel_order: expected nothing, null or false: this may change pixels, and "
        "Sterna does not run it, found true");
  CHECK(message_for(R"({"do_pad": true})").starts_with("do_pad: expected nothing"));
  CHECK(message_for(R"({"offset": 3})").starts_with("offset: expected nothing"));
  CHECK(message_for(R"({"do_pad": false, "offset": null, "novelty": null})").empty());
  CHECK(message_for(R"({"resample": 6})") ==
        "resample: expected a whole number from 0 to 5, found 6");
  CHECK(message_for(R"({"size": {"longest_edge": 6}})").starts_with("size.width: expected"));
  CHECK(message_for(R"({"size": {"height": 6, "width": 6, "shortest_edge": 6}})")
            .starts_with("size: expected height and width, or shortest_edge"));
  CHECK(message_for(R"({"size": {"max_height": 6, "max_width": 6}})").starts_with("size.width:"));
  CHECK(message_for(R"({"size": {"height": 6, "width": 6, "depth": 6}})")
            .starts_with("size.depth: expected height and width"));
  CHECK(message_for(R"({"size": 0})").starts_with("size: expected a whole number from 1 to 16384"));
  CHECK(message_for(R"({"size": [3, 4.5]})").starts_with("size: expected whole numbers"));
  CHECK(message_for(R"({"size": "large"})").starts_with("size: expected a number, or a list of 2"));
  CHECK(message_for(R"({"do_center_crop": true})")
            .starts_with("crop_size: expected the sides of the crop"));
  CHECK(message_for(R"({"image_std": [1, 1]})")
            .starts_with("image_std: expected a number, or a list of 3"));
  CHECK(message_for(R"({"image_std": 0})").starts_with("image_std: expected a number from 1e-09"));
  CHECK(message_for(R"({"image_mean": ["a", 1, 2]})").starts_with("image_mean: expected a number"));
  CHECK(message_for(R"({"resample": 0})", "dinov3_vit") ==
        "image processor: expected bilinear or bicubic, found nearest");
  const test::Folder scratch;
  const std::string message = test::message_of<Error>(
      [&] { models::read_image_processor(models::Source::open(scratch.path()), "vit", false); });
  CHECK(message.find("preprocessor_config.json: no such file") != std::string::npos);
}

TEST_CASE("every cut of a published file is an error that names it") {
  std::string json;
  for (const std::byte b : test::read_file(kFolder / "dinov2_published/preprocessor_config.json"))
    json += static_cast<char>(b);
  CHECK(message_for(json).empty());
  for (size_t n = 0; n < json.rfind('}'); ++n) CHECK_FALSE(message_for(json.substr(0, n)).empty());
}

TEST_CASE("processor_config.json comes first, and a video's file before a picture's") {
  const test::Folder scratch;
  const auto write = [&](const std::string& name, const std::string& json) {
    std::ofstream(scratch / name) << json;
  };
  const auto crop = [&](const std::string& type, bool clips) {
    return models::read_image_processor(models::Source::open(scratch.path()), type, clips)
        .size.width;
  };
  write("preprocessor_config.json", R"({"size": 10})");
  CHECK(crop("vit", false) == 10);
  CHECK(crop("vit", true) == 10);
  write("video_preprocessor_config.json", R"({"size": 11})");
  CHECK(crop("vit", false) == 10);
  CHECK(crop("vit", true) == 11);
  write("processor_config.json", R"({"image_processor": {"size": 12}, "processor_class": "P"})");
  CHECK(crop("vit", false) == 12);
  write("processor_config.json",
        R"({"image_processor": {"size": 12}, "video_processor": {"size": 13}})");
  CHECK(crop("vit", false) == 12);
  CHECK(crop("vit", true) == 13);
}

TEST_CASE("a picture whose long side would grow without bound is refused") {
  nn::Workspace workspace;
  const vision::Image line = test::noise(30000, 1, 1);
  ImageProcessor processor({.resize = vision::ImageProcessorSettings::Resize::shortest_edge,
                            .shortest = 224});
  std::vector<float> out(3);
  CHECK(test::message_of<Error>([&] { processor.forward(line.view(), out, workspace); }) ==
        "image processor: expected a picture that becomes one with sides of 1 to 16384, found one "
        "of 30000 x 1 that becomes 6720000 x 224");
}
