#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sterna/models/safetensors.h"
#include "towers.h"

namespace sterna::models {

/// A safetensors file in memory.
class SafetensorsBytes {
 public:
  /// `data` are shape's elements of `dtype`; names differ.
  void add(std::string_view name, Dtype dtype, std::span<const uint64_t> shape,
           std::span<const std::byte> data);
  std::vector<std::byte> bytes() const;

 private:
  std::string header_;
  std::vector<std::byte> data_;
};

/// Inputs that fit a model, as a golden file holds them: pictures or clips of normal noise of the
/// size that its positions were learned for (14 patches, where it has none), and texts of random
/// words of its vocabulary. The same for every call.
SafetensorsBytes sample_inputs(const FolderModel& model);

}  // namespace sterna::models
