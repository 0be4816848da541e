#include "commands.h"

namespace sterna::cli {

int version_command(int argc, char** argv);

namespace {

// To add a verb: declare its function above, write it in <verb>_command.cpp, name it here.
constexpr Command kCommands[] = {
    {"version", "Print the version and what this build and CPU can do", version_command},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace sterna::cli
