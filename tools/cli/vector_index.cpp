#include "cli/vector_index.h"

#include <sterna/quant/error.h>

#include "cli/module.h"

namespace sterna::cli {

namespace {

const IndexModule& load() {
  const auto* module = static_cast<const IndexModule*>(
      load_module("libsterna-index.so", "sterna_index_module", "the index module"));
  if (module->version != kIndexModuleVersion)
    throw Error("libsterna-index.so: belongs to another version of this program");
  return *module;
}

const IndexModule& module() {
  static const IndexModule& loaded = load();
  return loaded;
}

}  // namespace

std::unique_ptr<VectorIndex> create_index(size_t dim, const std::string& type) {
  return module().create(dim, type);
}

std::unique_ptr<VectorIndex> open_index(const std::string& file) { return module().open(file); }

}  // namespace sterna::cli
