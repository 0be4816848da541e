#include "commands.h"

namespace sterna::cli {

int ask_command(int argc, char** argv);
int bench_command(int argc, char** argv);
int classify_command(int argc, char** argv);
int embed_command(int argc, char** argv);
int eval_command(int argc, char** argv);
int index_command(int argc, char** argv);
int model_command(int argc, char** argv);
int search_command(int argc, char** argv);
int version_command(int argc, char** argv);
int watch_command(int argc, char** argv);

namespace {

// To add a verb: declare its function above, write it in <verb>_command.cpp, name it here.
constexpr Command kCommands[] = {
    {"ask", "Ask pictures a question", ask_command},
    {"bench", "Measure the kernels, or what selective decoding saves", bench_command},
    {"classify", "Name the best of some labels for each picture", classify_command},
    {"embed", "Turn pictures or texts into vectors", embed_command},
    {"index", "Make an index of pictures, or add to it", index_command},
    {"search", "Find pictures in an index by words or by a picture", search_command},
    {"eval", "Ask the questions of a file and count the right answers", eval_command},
    {"model", "Look into a model file, change its formats, check its numbers, or fetch one",
     model_command},
    {"version", "Print the version and what this build and CPU can do", version_command},
    {"watch", "Watch a stream and say something only when what is seen changes", watch_command},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace sterna::cli
