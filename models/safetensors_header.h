#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/models/safetensors.h"

namespace sterna::models {

/// What the JSON header of a safetensors file says, its data not yet located.
struct SafetensorsHeader {
  struct Entry {
    std::string name;
    Dtype dtype = Dtype::f32;
    std::vector<uint64_t> shape;
    uint64_t begin = 0, end = 0;  // bytes, relative to the first byte after the header
  };
  std::vector<Entry> entries;
  std::map<std::string, std::string, std::less<>> metadata;
};

/// Throws sterna::Error with `file` for anything but
///   {"__metadata__": {"key": "text"}, "NAME": {"dtype": "F32", "shape": [2, 3],
///    "data_offsets": [0, 24]}, ...}
SafetensorsHeader parse_safetensors_header(const std::string& file, std::string_view json);

}  // namespace sterna::models
