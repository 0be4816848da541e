#include <fcntl.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "cli/error.h"
#include "cli/output.h"
#include "commands.h"

namespace {

using sterna::cli::Command;

void print_help() {
  std::string text =
      "Sterna answers questions about pictures.\n\nUsage:\n  sterna VERB [OPTION...]\n\nVerbs:\n";
  for (const Command& command : sterna::cli::commands()) {
    std::string name = command.name;
    name.resize(12, ' ');
    text += "  " + name + command.summary + "\n";
  }
  text +=
      "\n`sterna VERB --help` tells more. Results go to standard output, messages to standard\n"
      "error. Exit codes: 0 done, 1 some inputs failed (listed), 2 bad usage, 3 model or file\n"
      "unusable.\n";
  sterna::cli::print(text);
}

const Command* find(std::string_view name) {
  for (const Command& command : sterna::cli::commands()) {
    if (name == command.name) return &command;
  }
  return nullptr;
}

/// `sterna --threads 2 ask ...` means `sterna ask --threads 2 ...`: moves the verb to the front.
/// Returns the arguments from the verb on; empty if there is no verb.
std::vector<char*> verb_first(int argc, char** argv) {
  std::vector<char*> args(argv + 1, argv + argc);
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string_view arg = args[i];
    if (arg.empty() || arg[0] != '-') {
      std::rotate(args.begin(), args.begin() + static_cast<std::ptrdiff_t>(i),
                  args.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      return args;
    }
    if (arg == "--model" || arg == "--threads" || arg == "--isa") ++i;  // its value follows
  }
  return {};
}

int run(int argc, char** argv) {
  using namespace sterna::cli;
  std::vector<char*> args = verb_first(argc, argv);
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (args.empty() || args[0] == std::string_view("help")) {
    if (args.size() >= 2 && find(args[1]) != nullptr) {  // sterna help VERB
      char help[] = "--help";
      char* help_argv[] = {args[1], help, nullptr};
      return find(args[1])->run(2, help_argv);
    }
    if (args.size() >= 2) throw UsageError("there is no verb \"" + std::string(args[1]) + "\"");
    if (first == "--version") {
      char* version_argv[] = {argv[1], nullptr};
      return find("version")->run(1, version_argv);
    }
    if (!args.empty() || first == "--help" || first == "-h") {
      print_help();
      return kDone;
    }
    throw UsageError(first.empty() ? "expected a verb"
                                   : "expected a verb, found \"" + std::string(first) + "\"");
  }
  const Command* command = find(args[0]);
  if (command == nullptr) {
    throw UsageError("there is no verb \"" + std::string(args[0]) + "\"");
  }
  set_verb(command->name);
  args.push_back(nullptr);
  return command->run(static_cast<int>(args.size()) - 1, args.data());
}

/// Which help to point at: the verb's own, if the first argument is one.
std::string help_hint(int argc, char** argv) {
  const std::vector<char*> args = verb_first(argc, argv);
  const bool known = !args.empty() && find(args[0]) != nullptr;
  return known ? std::string("sterna ") + args[0] + " --help" : "sterna --help";
}

/// Standard streams that the caller closed lead nowhere, lest the files that are opened next take
/// their numbers and get what is meant for them: what is printed then fails as on a full disk.
void open_standard_streams() {
  for (const int stream : {0, 1, 2}) {
    if (fcntl(stream, F_GETFD) >= 0) continue;
    const int mode = stream == 2 ? O_WRONLY : O_RDONLY;
    if (open("/dev/null", mode) != stream) std::_Exit(sterna::cli::kUnusable);
  }
}

}  // namespace

int main(int argc, char** argv) {
  using namespace sterna::cli;
  open_standard_streams();
  // A closed pipe shows as a failed write, so that files are finished and temporaries removed
  // first.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return run(argc, argv);
  } catch (const OutputClosed&) {
    std::signal(SIGPIPE, SIG_DFL);
    std::raise(SIGPIPE);
    return kUnusable;  // not reached, unless the signal is blocked
  } catch (const UsageError& e) {
    message(std::string(e.what()) + " (see '" + help_hint(argc, argv) + "')");
    return kBadUsage;
  } catch (const sterna::Error& e) {
    message(e.what());
  } catch (const std::bad_alloc&) {
    message("out of memory");
  } catch (const std::exception& e) {
    message(e.what());
  }
  return kUnusable;
}
