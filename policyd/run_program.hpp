// SPDX-License-Identifier: Apache-2.0
// Runs one program of the operator's, beside the event loop, never in its way. No shell: the words of `argv` are the
// program's arguments, whatever they contain. It gets: the working directory /, /dev/null as its input, the given
// environment and nothing else, no descriptor of ours, no blocked or ignored signal, a process group of its own, and
// our user and limits. What it prints (both streams) is kept up to `max_output` octets, the rest is read and thrown
// away, so that it cannot block. After `timeout` the whole group is killed. When the program itself has ended it is
// over: children that it left behind may go on, but nobody reads them. Where the caller goes away first, it is killed.
// Linux 5.3 (pidfd_open), glibc 2.34 (posix_spawn_file_actions_addclosefrom_np).
#pragma once

#include "shared/core/clock.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>
#include <vector>

namespace postsluice::policyd {

struct program_call {
    std::vector<std::string> argv; ///< argv[0]: an absolute path
    std::vector<std::string> environment;
    milliseconds timeout{30000};
    std::size_t max_output = 4096;
};

struct program_outcome {
    enum class ending { exited, killed, timed_out, not_started } how = ending::not_started;
    int code = 0;       ///< exit status, signal, or errno
    std::string output; ///< as printed, cut
    bool cut = false;
    [[nodiscard]] bool well() const noexcept { return how == ending::exited && code == 0; }
};
/// "exited with status 3", "was killed by signal 9", "ran longer than 30 seconds and was killed", "cannot be started:
/// No such file or directory".
[[nodiscard]] std::string describe(const program_outcome& of, milliseconds timeout);

[[nodiscard]] boost::asio::awaitable<program_outcome> run_program(program_call what);

} // namespace postsluice::policyd
