#include "cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "cli/output.h"

namespace sterna::cli {

namespace {
constexpr auto kBetweenUpdates = std::chrono::milliseconds(200);

size_t terminal_width() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}
}  // namespace

std::string clock_text(double seconds) {
  const auto s = static_cast<long long>(std::llround(seconds));
  char text[32];
  if (s >= 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
  } else {
    std::snprintf(text, sizeof text, "%lld:%02lld", s / 60, s % 60);
  }
  return text;
}

Progress::Progress(size_t total, size_t done)
    : total_(total), first_(done), shown_(isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
  if (shown_) progress_line("");
}

void Progress::update(size_t done, size_t failed) {
  const auto now = Clock::now();
  if (!shown_ || now < next_) return;
  next_ = now + kBetweenUpdates;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double speed = static_cast<double>(done - first_) / std::max(seconds, 1e-3);
  char text[160];
  int length =
      std::snprintf(text, sizeof text, "%zu of %zu (%.0f %%), %.1f/s", done, total_,
                    100.0 * static_cast<double>(done) / static_cast<double>(total_), speed);
  std::string line(text, static_cast<size_t>(length));
  if (speed > 0) line += ", " + clock_text(static_cast<double>(total_ - done) / speed) + " left";
  if (failed > 0) line += ", " + std::to_string(failed) + " failed";
  progress_line(line.substr(0, terminal_width() - 1));
}

}  // namespace sterna::cli
