#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace sterna::models {

/// What a model.safetensors.index.json says, {"weight_map": {TENSOR: FILE, ...}, ...}: the tensors
/// of each file. Throws sterna::Error for anything else, for a tensor that is named twice, and for
/// a FILE that is no plain name: nothing outside the folder is opened.
std::map<std::string, std::vector<std::string>> read_shard_index(const std::filesystem::path& file);

}  // namespace sterna::models
