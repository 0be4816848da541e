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

std::filesystem::path inner_folder(const std::filesystem::path& root, const Config& config,
                                   std::string_view key) {
  const std::string name = config.string(key);
  const std::filesystem::path relative(name);
  expect_inside(config, key, name);
  // canonical() follows links, and gives up on those that go round in circles.
  std::error_code fault;
  const auto top = std::filesystem::canonical(root, fault);
  const auto real = fault ? top : std::filesystem::canonical(root / relative, fault);
  if (fault || !std::filesystem::is_directory(real, fault))
    config.fail(key, "a folder that exists");
  const auto inside = std::mismatch(top.begin(), top.end(), real.begin(), real.end());
  if (inside.first != top.end())
    config.fail(key, "a folder inside the one of this file, not a link out of it");
  return name.empty() ? root : root / relative;
}

}  // namespace sterna::models
