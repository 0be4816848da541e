#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "config.h"

namespace sterna::models {

/// The folder inside `root` that `key` of `config` names, "" being `root` itself. What files name
/// is not trusted: an absolute name, "..", a link that leads out of `root` or round in circles is
/// an error of `key`, as is a folder that isn't there. `absent` stands where the key does.
std::filesystem::path inner_folder(const std::filesystem::path& root, const Config& config,
                                   std::string_view key, std::optional<std::string> absent = {});

}  // namespace sterna::models
