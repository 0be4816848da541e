#include <sterna/quant/error.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "bench/stream.h"
#include "cli/inputs.h"

namespace fs = std::filesystem;

namespace sterna::cli {
namespace {

std::vector<Slide> listed(const fs::path& list) {
  std::vector<Slide> slides;
  size_t number = 0;
  for (const std::string& line : read_lines(list.string())) {
    ++number;
    if (line.empty()) continue;
    const auto json = nlohmann::json::parse(line, nullptr, false);
    const auto text = [&](const char* key) {
      const bool there = json.is_object() && json.contains(key) && json[key].is_string();
      return there ? json[key].get<std::string>() : std::string();
    };
    Slide slide{text("image"), text("label"), text("caption")};
    if (slide.file.empty() || slide.label.empty()) {
      throw Error(list.string() + ": line " + std::to_string(number) +
                  ": expected {\"image\", \"label\", \"caption\"}, found \"" + line.substr(0, 60) +
                  "\"");
    }
    slide.file = (list.parent_path() / slide.file).string();  // an absolute one stays
    if (slide.caption.empty()) slide.caption = slide.label;
    slides.push_back(std::move(slide));
  }
  return slides;
}

std::vector<Slide> in_folders(const fs::path& root) {
  std::vector<Slide> slides;
  std::error_code error;
  for (const auto& folder : fs::directory_iterator(root, error)) {
    if (!folder.is_directory()) continue;
    const std::string label = folder.path().filename().string();
    for (const auto& file : fs::directory_iterator(folder, error)) {
      if (file.is_regular_file()) slides.push_back({file.path().string(), label, label});
    }
  }
  // Folders come in any order, and a seed shall mean one stream.
  std::sort(slides.begin(), slides.end(),
            [](const Slide& a, const Slide& b) { return a.file < b.file; });
  return slides;
}

}  // namespace

std::vector<Slide> read_slides(const std::string& folder) {
  const fs::path list = fs::path(folder) / "captions.jsonl";
  std::error_code error;
  const bool listing = fs::exists(list, error);
  std::vector<Slide> slides = listing ? listed(list) : in_folders(folder);
  std::set<std::string> labels;
  for (const Slide& slide : slides) labels.insert(slide.label);
  if (labels.size() < 2) {
    throw Error((listing ? list.string() : folder) +
                ": expected pictures of two or more labels, in captions.jsonl or in a folder for "
                "each label, found " +
                std::to_string(labels.size()));
  }
  return slides;
}

}  // namespace sterna::cli
