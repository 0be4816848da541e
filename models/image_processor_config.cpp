#include "image_processor_config.h"

#include <sterna/quant/error.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "config.h"

namespace sterna::models {
namespace {

using vision::Filter;
using vision::Sides;
using Settings = vision::ImageProcessorSettings;
using Backend = Settings::Backend;
using Resize = Settings::Resize;

constexpr size_t kMostSide = 16384;

constexpr std::array<double, 3> kHalf{0.5, 0.5, 0.5};
constexpr std::array<double, 3> kImageNetMean{0.485, 0.456, 0.406},
    kImageNetStd{0.229, 0.224, 0.225};
constexpr std::array<double, 3> kClipMean{0.48145466, 0.4578275, 0.40821073},
    kClipStd{0.26862954, 0.26130258, 0.27577711};

/// A class of transformers, and what its attributes are by default.
struct Processor {
  std::string_view type;
  std::array<std::string_view, 4> model_types;  // whose folders may leave the type out
  Filter filter;
  Resize resize;
  size_t size;        // of exact and shortest_edge
  bool square = true;  // a size that is one number means both sides, not the shortest edge
  size_t crop = 0;     // crop_size, 0: there is none
  bool center_crop = false;
  std::array<double, 3> mean = kHalf, std = kHalf;
  Backend backend = Backend::pillow;
};

/// To add a processor of these steps: name it here.
constexpr std::array kProcessors = {
    Processor{"BeitImageProcessor", {"beit"}, Filter::bicubic, Resize::exact, 224, true, 224},
    Processor{"BitImageProcessor", {"dinov2", "dinov2_with_registers", "bit"}, Filter::bicubic,
              Resize::shortest_edge, 224, false, 224, true, kClipMean, kClipStd},
    Processor{"CLIPImageProcessor", {"clip", "clip_vision_model"}, Filter::bicubic,
              Resize::shortest_edge, 224, false, 224, true, kClipMean, kClipStd},
    Processor{"DINOv3ViTImageProcessor", {"dinov3_vit"}, Filter::bilinear, Resize::exact, 224, true,
              0, false, kImageNetMean, kImageNetStd, Backend::torchvision_float},
    Processor{"DeiTImageProcessor", {"deit"}, Filter::bicubic, Resize::exact, 256, true, 224, true},
    Processor{"Siglip2ImageProcessor", {"siglip2", "siglip2_vision_model"}, Filter::bilinear,
              Resize::patches, 0},
    Processor{"SiglipImageProcessor", {"siglip", "siglip_vision_model"}, Filter::bicubic,
              Resize::exact, 224, false},
    Processor{"VJEPA2VideoProcessor", {"vjepa2"}, Filter::bilinear, Resize::shortest_edge, 0, true,
              256, true, kImageNetMean, kImageNetStd, Backend::torchvision},
    Processor{"ViTImageProcessor", {"vit", "ijepa"}, Filter::bilinear, Resize::exact, 224},
};

/// Keys that say nothing about pixels, or nothing where a picture has three channels: they are
/// converted to RGB whatever do_convert_rgb says.
constexpr std::array<std::string_view, 23> kInert = {
    "_valid_processor_keys", "auto_map", "backend", "data_format", "device", "disable_grouping",
    "do_convert_rgb", "do_reduce_labels", "do_sample_frames", "feature_extractor_type", "fps",
    "image_processor_type", "input_data_format", "model_input_names", "num_frames", "pad_size",
    "processor_class", "reduce_labels", "return_metadata", "return_tensors", "transformers_version",
    "video_metadata", "video_processor_type"};
constexpr std::array<std::string_view, 13> kRead = {
    "crop_size", "default_to_square", "do_center_crop", "do_normalize", "do_rescale", "do_resize",
    "image_mean", "image_std", "max_num_patches", "patch_size", "resample", "rescale_factor",
    "size"};

std::optional<Config> find_file(const Source& source, bool clips) {
  if (source.has("processor_config.json")) {
    const Config config = source.config("processor_config.json");
    if (clips && config.is_object("video_processor")) return config.in("video_processor");
    if (config.is_object("image_processor")) return config.in("image_processor");
  }
  for (const char* file : {"video_preprocessor_config.json", "preprocessor_config.json"}) {
    const bool counts = clips || std::string_view(file) == "preprocessor_config.json";
    if (counts && source.has(file)) return source.config(file);
  }
  return {};
}

const Processor& find_processor(const Config& config, const std::string& model_type) {
  std::string key = "image_processor_type";
  for (const char* other : {"video_processor_type", "feature_extractor_type"}) {
    if (!config.has(key)) key = other;
  }
  std::string known;
  for (const Processor& p : kProcessors) {
    known += (known.empty() ? "" : ", ") + std::string(p.type);
    if (config.has(key)) {
      std::string type = config.string(key);
      if (const size_t at = type.find("FeatureExtractor"); at != std::string::npos)
        type.replace(at, std::string::npos, "ImageProcessor");
      for (const std::string_view suffix : {"Fast", "Pil"}) {
        if (type.ends_with(suffix)) type.resize(type.size() - suffix.size());
      }
      if (type == p.type) return p;
    } else if (std::find(p.model_types.begin(), p.model_types.end(), model_type) !=
               p.model_types.end()) {
      return p;
    }
  }
  config.fail(config.has(key) ? key : "image_processor_type", "one of " + known);
}

/// {"height": h, "width": w}, [h, w] or one number for both.
Sides read_sides(const Config& config, std::string_view key) {
  if (!config.is_object(key)) {
    const auto hw = config.integers(key, 2, 1, kMostSide);
    return {hw[1], hw[0]};
  }
  const Config in = config.in(key);
  return {in.integer("width", 1, kMostSide), in.integer("height", 1, kMostSide)};
}

void read_size(const Config& config, const Processor& p, Settings& s) {
  if (p.size != 0) {
    s.size = {p.size, p.size};
    s.shortest = p.size;
  }
  if (!config.has("size")) return;
  const Config size = config.in(config.is_object("size") ? "size" : "");  // "": an empty one
  const bool edges = config.is_number("size") ? !config.boolean("default_to_square", p.square)
                                              : size.has("shortest_edge");
  s.resize = edges ? Resize::shortest_edge : Resize::exact;
  if (!edges) {
    s.size = read_sides(config, "size");
  } else if (config.is_number("size")) {
    s.shortest = config.integer("size", 1, kMostSide);
  } else {
    s.shortest = size.integer("shortest_edge", 1, kMostSide);
    s.longest = size.integer("longest_edge", 1, kMostSide, 0);
  }
  for (const std::string& key : size.keys_set()) {
    if (key != "shortest_edge" && key != "longest_edge" && key != "height" && key != "width")
      size.fail(key, "height and width, or shortest_edge, perhaps with longest_edge");
  }
  const bool both = size.has("height") || size.has("width");
  if (both && (size.has("shortest_edge") || size.has("longest_edge")))
    config.fail("size", "height and width, or shortest_edge, perhaps with longest_edge");
}

Filter read_filter(const Config& config, Filter absent) {
  // PIL.Image.Resampling's numbers.
  constexpr std::array kFilters = {Filter::nearest, Filter::lanczos, Filter::bilinear,
                                   Filter::bicubic, Filter::box,     Filter::hamming};
  if (!config.has("resample")) return absent;
  return kFilters[config.integer("resample", 0, kFilters.size() - 1)];
}

std::array<double, 3> read_three(const Config& config, std::string_view key, double low,
                                 const std::array<double, 3>& absent) {
  if (!config.has(key)) return absent;
  const auto list = config.numbers(key, 3, low, 1e6);
  return {list[0], list[1], list[2]};
}

/// timm's `pretrained_cfg`, or nothing.
std::optional<Config> find_timm(const Source& source) {
  if (!source.has("config.json")) return {};
  const Config config = source.config("config.json");
  if (config.has("model_type") || !config.is_object("pretrained_cfg")) return {};
  return config.in("pretrained_cfg");
}

/// timm's `transforms_imagenet_eval`: the short side to floor(size / crop_pct), the middle of it.
Settings read_timm(const Config& config) {
  Settings s;
  s.backend = Backend::timm;
  const auto input = config.integers("input_size", 3, 1, kMostSide);
  if (input[0] != 3 || input[1] != input[2]) config.fail("input_size", "[3, n, n]");
  const double share = config.number("crop_pct", 0.01, 1, 0.875);
  const std::string mode = config.string("crop_mode", "center");
  if (mode != "center" && mode != "squash") config.fail("crop_mode", "\"center\" or \"squash\"");
  const auto wide = static_cast<size_t>(static_cast<double>(input[1]) / share);
  s.resize = mode == "center" ? Resize::shortest_edge : Resize::exact;
  s.shortest = wide;
  s.size = {wide, wide};
  s.crop = Sides{input[2], input[1]};
  const std::string filter = config.string("interpolation", "bilinear");
  if (filter != "bicubic" && filter != "bilinear")
    config.fail("interpolation", "\"bicubic\" or \"bilinear\"");
  s.filter = vision::parse_filter(filter);
  s.mean = read_three(config, "mean", -1e6, kImageNetMean);
  s.std = read_three(config, "std", 1e-9, kImageNetStd);
  return s;
}

}  // namespace

vision::ImageProcessorSettings read_image_processor(const Source& source,
                                                    const std::string& model_type, bool clips) {
  const std::optional<Config> file = find_file(source, clips);
  if (!file) {
    if (const auto timm = find_timm(source)) return read_timm(*timm);
    throw Error(source.where("preprocessor_config.json") +
                ": no such file: it says how pictures are resized and normalised");
  }
  const Config& config = *file;
  const Processor& p = find_processor(config, model_type);
  for (const std::string& key : config.keys_set()) {
    const auto in = [&](const auto& list) {
      return std::find(list.begin(), list.end(), key) != list.end();
    };
    if (!in(kInert) && !in(kRead))
      config.fail(key,
                  "nothing, null or false: this may change pixels, and Sterna does not run it");
  }
  Settings s;
  s.backend = p.backend;
  s.resize = p.resize;
  s.filter = read_filter(config, p.filter);
  if (p.resize == Resize::patches) {
    s.patch = config.integer("patch_size", 1, 1024, 16);
    s.most_patches = config.integer("max_num_patches", 1, 1 << 16, 256);
  } else {
    read_size(config, p, s);
  }
  const bool takes_crop = p.resize != Resize::patches;
  if (takes_crop && (p.crop != 0 || config.has("crop_size"))) {
    const Sides crop =
        config.has("crop_size") ? read_sides(config, "crop_size") : Sides{p.crop, p.crop};
    if (config.boolean("do_center_crop", p.center_crop)) s.crop = crop;
    if (p.type == "VJEPA2VideoProcessor") {
      // Whatever `size` says: the class derives it.
      s.resize = Resize::shortest_edge;
      s.shortest = crop.height * 256 / 224;
      s.longest = 0;
    }
  } else if (takes_crop && config.boolean("do_center_crop", false)) {
    config.fail("crop_size", "the sides of the crop");
  }
  if (!config.boolean("do_resize", true)) s.resize = Resize::none;
  s.rescale = config.boolean("do_rescale", true);
  s.rescale_factor = config.number("rescale_factor", 1e-9, 1e9, 1.0 / 255.0);
  s.normalise = config.boolean("do_normalize", true);
  s.mean = read_three(config, "image_mean", -1e6, p.mean);
  s.std = read_three(config, "image_std", 1e-9, p.std);
  try {
    vision::ImageProcessor checked(s);  // what is left to find wrong, named with its file
  } catch (const Error& e) {
    throw Error(config.file() + ": " + e.what());
  }
  return s;
}

bool has_image_processor(const Source& source, bool clips) {
  return find_file(source, clips).has_value() || (!clips && find_timm(source).has_value());
}

std::string image_processor_files(bool clips) {
  return std::string(clips ? "video_preprocessor_config.json or " : "") +
         "preprocessor_config.json or processor_config.json";
}

}  // namespace sterna::models
