#include "commands.h"

namespace sterna::cli {

int model_command(int argc, char** argv);
int version_command(int argc, char** argv);

namespace {

// To add a verb: declare its function above, write it in <verb>_command.cpp, name it here.
constexpr Command kCommands[] = {
    {"model", "Look into a model file, or change its number formats", model_command},
    {"version", "Print the version and what this build and CPU can do", version_command},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace sterna::cli
