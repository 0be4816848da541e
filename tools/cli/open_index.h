#pragma once

#include <filesystem>

#include "cli/embedder.h"
#include "cli/index_folder.h"
#include "cli/options.h"

namespace sterna::cli {

/// The index in `folder`, which was made with `embedder`, the model that `common` names. Throws
/// Error if it was made with another one.
IndexFolder open_index(const std::filesystem::path& folder, const Embedder& embedder,
                       const Common& common);

}  // namespace sterna::cli
