#pragma once

#include <string>
#include <string_view>

namespace sterna::cli {

/// Results: standard output. Throw OutputClosed if nobody reads it any more, Error if it can't be
/// written (disk full). print_line() also flushes, so that a reader sees each result at once.
void print(std::string_view text);
void print_line(std::string_view text);

/// Messages: standard error, one line "sterna ask: photo.jpg: ..."; control characters are escaped.
/// A progress line that stands there is wiped first. Threads may call it at once.
void message(std::string_view text);
/// The verb that runs, for message(); set once, by main.
void set_verb(std::string_view verb);
/// The line standing at the bottom of the terminal; an empty one takes it away.
void progress_line(std::string_view text);

/// Whether colours are welcome on standard output: a terminal, no NO_COLOR, TERM not "dumb".
bool colour();
/// `text` in bold, if colours are welcome.
std::string bold(std::string_view text);

}  // namespace sterna::cli
