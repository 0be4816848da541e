#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "config.h"

namespace sterna::models {

/// The folder inside `root` that `key` of `config` names, "" being `root` itself. What files name
/// is not trusted: an absolute name, "..", a link that leads out of `root` or round in circles is
/// an error of `key`, as is a folder that isn't there.
std::filesystem::path inner_folder(const std::filesystem::path& root, const Config& config,
                                   std::string_view key);

/// What was expected of the folder `root / name`, or nullptr if it is there and inside `root`
/// (`root` itself for "" and "." alone: a link to it goes round in circles).
const char* folder_fault(const std::filesystem::path& root, const std::filesystem::path& name);

/// Throws for the names alone: absolute ones, "..", a zero byte.
void expect_inside(const Config& config, std::string_view key, const std::string& name);

}  // namespace sterna::models
