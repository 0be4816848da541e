#pragma once

#include <string>
#include <vector>

#include "cli/options.h"

namespace sterna::cli {

/// The answers that --NAME (comma-separated) or --FILE_NAME (a file, one a line) lists; empty if
/// neither is given. Blanks around them, blank lines and repeats are dropped. Throws UsageError for
/// both options at once and for a list at fault, Error naming file and line for a file at fault.
std::vector<std::string> read_choices(const cxxopts::ParseResult& args, const std::string& name,
                                      const std::string& file_name);

/// `texts` without those that are, but for blanks around them, written like an earlier one: a
/// choice that is listed twice would share its probability with itself.
std::vector<std::string> without_repeats(std::vector<std::string> texts);

}  // namespace sterna::cli
