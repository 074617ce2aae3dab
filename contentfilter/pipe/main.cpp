// SPDX-License-Identifier: Apache-2.0
// postsluice-pipe: what pipe(8) runs for each message. Hands the message on its standard input to the filter's
// listen_pipe socket by LMTP, and pipe(8)'s macros with it, and turns the answer into what pipe(8) understands:
//   0          every recipient was taken over (delivered to the next hop, or kept in quarantine)
//   77         the filter refuses the message, for some at least: prints "5.7.1 reason", and Postfix bounces it
//   75         anything else: prints "4.3.0 reason", and Postfix tries again
// No other exit code ever: 64 to 78 but 71 and 75, and all unknown ones, are bounces to pipe(8). So options are parsed
// by hand, what throws (no memory) ends in 75, and signals end in 75 too (but SIGKILL, which pipe(8) defers).
//
// pipe(8) marks no end of a message: where it dies, its command sees a clean end of file in the middle. The final dot
// leaves only if our parent is still the one that started us and the message would fill at least ${size} octets of
// a queue file (size_counter.hpp). Linked statically: a missing library would end us with 127, a bounce. One thread,
// one descriptor.
#include "contentfilter/pipe/delivery.hpp"

#include <csignal>
#include <exception>
#include <string>
#include <unistd.h>

namespace {

using namespace postsluice::contentfilter::pipe;

[[noreturn]] void end_at_once() noexcept {
    static constexpr char text[] = "4.3.0 postsluice-pipe was interrupted\n";
    if (::write(STDOUT_FILENO, text, sizeof text - 1) < 0) {
        // Nobody reads; the exit code says it.
    }
    ::_exit(exit_later);
}

extern "C" void on_signal(int) {
    end_at_once();
}

void catch_signals() noexcept {
    std::signal(SIGPIPE, SIG_IGN); // a write that fails says so itself
    for (const int one : {SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGABRT, SIGFPE, SIGSEGV, SIGBUS, SIGALRM, SIGTERM, SIGUSR1,
                          SIGUSR2, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGSYS, SIGTRAP})
        std::signal(one, on_signal);
    std::set_terminate(end_at_once);
}

} // namespace

int main(int argc, char** argv) {
    catch_signals();
    const auto parent = ::getppid();
    request asked;
    const auto wrong = read_arguments(argc, argv, asked);
    const outcome came = wrong.empty() ? hand_over(asked, parent) : outcome{exit_later, wrong};
    if (came.code != 0) {
        const std::string text = (came.code == exit_refused ? "5.7.1 " : "4.3.0 ") + came.text + "\n";
        if (::write(STDOUT_FILENO, text.data(), text.size()) < 0) {
            // Nobody reads; the exit code says it.
        }
    }
    ::_exit(came.code); // destructors of streams and the like cannot change it
}
