#pragma once

#include <cstddef>

namespace sterna::nn {

/// Columns of the widest head that attention() takes.
inline constexpr size_t kMostHead = 256;

}  // namespace sterna::nn
