#pragma once

#include <span>

namespace sterna::cli {

/// One verb of the command line, implemented in <name>_command.cpp. `run` gets argv from the verb
/// on, returns an exit code, and throws UsageError (exit 2), Error (exit 3) or OutputClosed.
struct Command {
  const char* name;
  const char* summary;  // one line of `sterna --help`
  int (*run)(int argc, char** argv);
};

/// Every verb, in the order of `sterna --help` (commands.cpp).
std::span<const Command> commands();

}  // namespace sterna::cli
