#pragma once

#include <stdexcept>
#include <string>

namespace sterna::cli {

/// What the process tells its caller. Anything a command can't finish for another reason than its
/// inputs (a model, an index, an output file) is `unusable`.
enum Exit : int { kDone = 0, kSomeFailed = 1, kBadUsage = 2, kUnusable = 3 };

/// The command line itself is wrong: exit code 2, one line, and where to read more.
class UsageError : public std::runtime_error {
 public:
  explicit UsageError(const std::string& message) : std::runtime_error(message) {}
};

/// Nobody reads standard output any more (`sterna ... | head`): leave quietly, as SIGPIPE would.
class OutputClosed : public std::runtime_error {
 public:
  OutputClosed() : std::runtime_error("standard output was closed") {}
};

}  // namespace sterna::cli
