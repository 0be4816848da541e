#pragma once

#include <map>
#include <string>
#include <string_view>

#include "sterna/models/info.h"

namespace sterna::models {

/// What binding makes of a tensor.
///   block_map: a linear map of a transformer block;
///   map:       another linear map (patches, projections, poolers);
///   table:     rows that are looked up;
///   numbers:   read as they are: norms, biases, positions, kernels that are rearranged.
enum class Use { block_map, map, table, numbers };

/// "a linear map of a block", for messages.
std::string_view name(Use use) noexcept;

/// What a tensor is there for: its use, and the part of the model that it belongs to.
struct Role {
  Use use = Use::numbers;
  Part part = Part::other;
};

/// The roles of the tensors that a model reads, by their names in a converted file
/// ("text/norm.bias" of a folder in the folder). Tensors that nothing reads have none.
using Roles = std::map<std::string, Role, std::less<>>;

}  // namespace sterna::models
