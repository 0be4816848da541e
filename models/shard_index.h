#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace sterna::models {

/// What a model.safetensors.index.json says, {"weight_map": {TENSOR: FILE, ...}, ...}: the tensors
/// of each file. Throws sterna::Error for anything else, for a tensor that is named twice, and for
/// a FILE that is no plain name: nothing outside the folder is opened.
std::map<std::string, std::vector<std::string>> read_shard_index(const std::filesystem::path& file);
/// The same of a text that `file` stands for in messages.
std::map<std::string, std::vector<std::string>> parse_shard_index(const std::string& file,
                                                                  std::span<const std::byte> text);

}  // namespace sterna::models
