#include "cli/module.h"

#include <dlfcn.h>
#include <sterna/quant/error.h>

#include <filesystem>

#include "cli/model_path.h"

namespace fs = std::filesystem;

namespace sterna::cli {

const void* load_module(const std::string& file, const char* symbol, const std::string& what) {
  const fs::path folder = program_folder();
  std::string searched;
  for (const fs::path& place : {folder / file, folder / ".." / "lib" / file,
                                folder / ".." / STERNA_LIB_FOLDER / "sterna" / file}) {
    std::error_code error;
    if (!fs::is_regular_file(place, error)) {
      searched += (searched.empty() ? "" : ", ") + place.lexically_normal().string();
      continue;
    }
    // Stays loaded: OpenMP's threads do not survive their code.
    void* handle = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == nullptr) throw Error(what + " can't be loaded: " + dlerror());
    const void* found = dlsym(handle, symbol);
    if (found == nullptr) {
      throw Error(place.string() + ": belongs to another version of this program");
    }
    return found;
  }
  throw Error(file + ": " + what + " was not found (searched " + searched + ")");
}

}  // namespace sterna::cli
