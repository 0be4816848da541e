#pragma once

#include <filesystem>
#include <string>

namespace sterna::cli {

/// The folder this program's own file lies in.
std::filesystem::path program_folder();

/// The model to open: `named` (from --model), else $STERNA_MODEL, else the default model beside the
/// program, in the source tree it was built in, or under the install prefix. Throws Error, with the
/// places that were searched, if there is none.
std::filesystem::path find_model(const std::string& named);

/// A script of `sterna bench` in the same places. Throws Error.
std::filesystem::path find_script(const char* name);

/// Whether `path` is somebody else's checkpoint: a folder, or the GGUF converted of one. Throws
/// Error for a file that is no GGUF.
bool is_checkpoint(const std::filesystem::path& path);

}  // namespace sterna::cli
