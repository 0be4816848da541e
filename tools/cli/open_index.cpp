#include "cli/open_index.h"

#include <sterna/quant/error.h>

#include "cli/model_path.h"

namespace sterna::cli {

IndexFolder open_index(const std::filesystem::path& folder, const Embedder& embedder,
                       const Common& common) {
  IndexFolder index = IndexFolder::open(folder);
  if (index.dim() != embedder.dim() ||
      index.settings().value("model_sha256", "") != embedder.digest()) {
    throw Error(folder.string() + ": was made with another model than " +
                find_model(common.model).string());
  }
  return index;
}

}  // namespace sterna::cli
