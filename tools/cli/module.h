#pragma once

#include <string>

namespace sterna::cli {

/// The object that a module of this program exports as `symbol`. Modules hold libraries that most
/// runs don't need; they are loaded from beside the program, a build's lib folder, or where they
/// are installed, and stay loaded. `what` names the module in messages. Throws Error.
const void* load_module(const std::string& file, const char* symbol, const std::string& what);

}  // namespace sterna::cli
