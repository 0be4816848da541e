#pragma once

#include <sterna/models/check.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

namespace sterna::test {

/// The tiny checkpoints of every family, and what transformers gave for them.
inline const std::filesystem::path kCheckpoints =
    std::filesystem::path(STERNA_TEST_DATA) / "golden/checkpoints";

/// The golden files there are, by their names: FOLDER or FOLDER.VARIANT.
inline std::vector<std::string> goldens() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kCheckpoints)) {
    const std::string file = entry.path().filename();
    const size_t end = file.find(".golden.safetensors");
    if (end != std::string::npos) names.push_back(file.substr(0, end));
  }
  std::sort(names.begin(), names.end());
  return names;
}

inline std::filesystem::path folder_of(const std::string& golden) {
  return kCheckpoints / golden.substr(0, golden.find('.'));
}

/// How `model` agrees with a golden file.
inline std::vector<models::Agreement> check(const std::filesystem::path& model,
                                            const std::string& golden,
                                            const models::CheckOptions& options = {},
                                            int threads = 1) {
  Session session(threads);
  return models::check(model, kCheckpoints / (golden + ".golden.safetensors"), session, options);
}

}  // namespace sterna::test
