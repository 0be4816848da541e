#include "inner_folder.h"

#include <algorithm>
#include <system_error>

namespace sterna::models {

void expect_inside(const Config& config, std::string_view key, const std::string& name) {
  const std::filesystem::path relative(name);
  const bool climbs = std::find(relative.begin(), relative.end(), "..") != relative.end();
  if (relative.has_root_path() || climbs || name.find('\0') != std::string::npos)
    config.fail(key, "a folder inside the one of this file");
}

const char* folder_fault(const std::filesystem::path& root, const std::filesystem::path& name) {
  // canonical() follows links, and gives up on those that go round in circles.
  std::error_code fault;
  const auto top = std::filesystem::canonical(root, fault);
  const auto real = fault ? top : std::filesystem::canonical(root / name, fault);
  if (fault || !std::filesystem::is_directory(real, fault)) return "a folder that exists";
  const auto inside = std::mismatch(top.begin(), top.end(), real.begin(), real.end());
  if (inside.first != top.end())
    return "a folder inside the one of this file, not a link out of it";
  const bool itself = std::all_of(name.begin(), name.end(), [](const std::filesystem::path& part) {
    return part.empty() || part == ".";
  });
  if (inside.second == real.end() && !itself)
    return "a folder inside the one of this file, not a link to that one";
  return nullptr;
}

std::filesystem::path inner_folder(const std::filesystem::path& root, const Config& config,
                                   std::string_view key) {
  const std::string name = config.string(key);
  const std::filesystem::path relative(name);
  expect_inside(config, key, name);
  if (const char* expected = folder_fault(root, relative)) config.fail(key, expected);
  return name.empty() ? root : root / relative;
}

}  // namespace sterna::models
