#include "cli/vector_index.h"

#include <dlfcn.h>
#include <sterna/quant/error.h>

#include <filesystem>

#include "cli/model_path.h"

namespace fs = std::filesystem;

namespace sterna::cli {

namespace {

constexpr char kName[] = "libsterna-index.so";

/// Beside the program, in a build's lib folder, or where it is installed.
const IndexModule& load() {
  const fs::path folder = program_folder();
  std::string searched;
  for (const fs::path& place : {folder / kName, folder / ".." / "lib" / kName,
                                folder / ".." / STERNA_LIB_FOLDER / "sterna" / kName}) {
    std::error_code error;
    if (!fs::is_regular_file(place, error)) {
      searched += (searched.empty() ? "" : ", ") + place.lexically_normal().string();
      continue;
    }
    // Stays loaded: OpenMP's threads do not survive their code.
    void* handle = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == nullptr)
      throw Error(std::string("the index module can't be loaded: ") + dlerror());
    const auto* module = static_cast<const IndexModule*>(dlsym(handle, "sterna_index_module"));
    if (module == nullptr || module->version != kIndexModuleVersion) {
      throw Error(place.string() + ": belongs to another version of this program");
    }
    return *module;
  }
  throw Error(std::string(kName) + ": the index module was not found (searched " + searched + ")");
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
