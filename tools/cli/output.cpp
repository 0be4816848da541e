#include "cli/output.h"

#include <sterna/quant/error.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "cli/error.h"
#include "cli/text.h"

namespace sterna::cli {

namespace {

std::mutex stderr_mutex;  // guards the two below and the order of lines
std::string verb_prefix = "sterna";
std::string standing_line;

void check_stdout(bool ok) {
  if (ok) return;
  if (errno == EPIPE) throw OutputClosed();
  throw Error(std::string("standard output: ") + std::strerror(errno));
}

void write_stderr(const std::string& text) {
  // Nothing sensible is left to do if standard error itself is broken.
  (void)std::fwrite(text.data(), 1, text.size(), stderr);
  (void)std::fflush(stderr);
}

std::string escape(const char* code, std::string_view text) {
  return colour() ? std::string("\x1b[") + code + "m" + std::string(text) + "\x1b[0m"
                  : std::string(text);
}

}  // namespace

void print(std::string_view text) {
  check_stdout(std::fwrite(text.data(), 1, text.size(), stdout) == text.size());
  check_stdout(std::fflush(stdout) == 0);
}

void print_line(std::string_view text) { print(std::string(text) + "\n"); }

void set_verb(std::string_view verb) { verb_prefix = "sterna " + std::string(verb); }

void message(std::string_view text) {
  const std::lock_guard lock(stderr_mutex);
  std::string line = standing_line.empty() ? "" : "\r\x1b[K";
  line += verb_prefix + ": " + printable(text) + "\n" + standing_line;
  write_stderr(line);
}

void progress_line(std::string_view text) {
  const std::lock_guard lock(stderr_mutex);
  standing_line = text;
  write_stderr("\r\x1b[K" + standing_line);
}

bool colour() {
  static const bool welcome = [] {
    const char* no_color = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    return isatty(STDOUT_FILENO) != 0 && (no_color == nullptr || *no_color == '\0') &&
           term != nullptr && std::strcmp(term, "dumb") != 0;
  }();
  return welcome;
}

std::string bold(std::string_view text) { return escape("1", text); }

}  // namespace sterna::cli
