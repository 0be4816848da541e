#include "cli/model_path.h"

#include <sterna/models/convert.h>
#include <sterna/quant/error.h>

#include <cstdlib>
#include <vector>

namespace fs = std::filesystem;

namespace sterna::cli {

namespace {

constexpr char kDefaultModel[] = "sterna-nano.gguf";

/// `file` beside the program, under the install prefix, or in `folder` of the source tree it was
/// built in; else an empty path. `searched` gets the places.
fs::path find_file(const char* file, const char* folder, std::string& searched) {
  const fs::path program = program_folder();
  std::vector<fs::path> places = {program / file, program / ".." / STERNA_DATA_FOLDER / file};
  // A build folder inside the source tree, however deep; then one outside of it.
  for (fs::path up = program; up.has_relative_path(); up = up.parent_path()) {
    if (fs::exists(up / "CMakeLists.txt")) places.push_back(up / folder / file);
  }
  places.push_back(fs::path(STERNA_SOURCE_FOLDER) / folder / file);
  for (const fs::path& place : places) {
    std::error_code error;
    if (fs::is_regular_file(place, error)) return place.lexically_normal();
    searched += (searched.empty() ? "" : ", ") + place.lexically_normal().string();
  }
  return {};
}

}  // namespace

fs::path program_folder() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::current_path() : self.parent_path();
}

fs::path find_model(const std::string& named) {
  if (!named.empty()) return named;
  // An empty STERNA_MODEL counts as unset, as in `STERNA_MODEL= sterna ask ...`.
  if (const char* variable = std::getenv("STERNA_MODEL"); variable != nullptr && *variable != 0) {
    return variable;
  }
  std::string searched;
  if (const fs::path found = find_file(kDefaultModel, "models", searched); !found.empty())
    return found;
  throw Error(std::string(kDefaultModel) + ": the default model was not found; name one with " +
              "--model or STERNA_MODEL (searched " + searched + ")");
}

fs::path find_script(const char* name) {
  std::string searched;
  if (const fs::path found = find_file(name, "tools/bench", searched); !found.empty()) return found;
  throw Error(std::string(name) + ": not found (searched " + searched + ")");
}

bool is_checkpoint(const fs::path& path) {
  std::error_code none;
  return fs::is_directory(path, none) || models::is_converted(path);
}

}  // namespace sterna::cli
