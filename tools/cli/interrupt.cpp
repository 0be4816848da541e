#include "cli/interrupt.h"

#include <atomic>
#include <csignal>

namespace sterna::cli {

namespace {

std::atomic<int> signal_seen = 0;
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may only touch such");

extern "C" void note_signal(int number) { signal_seen.store(number); }

void install(void (*handler)(int), int flags) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction now = {};
    sigaction(number, nullptr, &now);
    if (number == SIGHUP && now.sa_handler == SIG_IGN) continue;  // nohup
    sigaction(number, &action, nullptr);
  }
}

}  // namespace

InterruptGuard::InterruptGuard() {
  signal_seen = 0;
  install(note_signal, static_cast<int>(SA_RESETHAND) | SA_RESTART);
}

InterruptGuard::~InterruptGuard() { install(SIG_DFL, 0); }

int InterruptGuard::requested() const {
  const int number = signal_seen.load();
  return number == 0 ? 0 : 128 + number;
}

}  // namespace sterna::cli
