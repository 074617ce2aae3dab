// SPDX-License-Identifier: Apache-2.0
// Work that a daemon lives by: accepting connections, periodic work, the threads of its event loop. If one of these
// ended by an exception (no memory, a defect) and the daemon went on, it would be deaf or blind, and look well. So the
// daemon ends at once, loudly. Whoever started it starts it again; what it has answered for is committed already.
#pragma once

#include <exception>
#include <string_view>

namespace boost::asio {
class io_context;
}

namespace postsluice::daemon {

/// Completion of a coroutine that a daemon lives by: `co_spawn(executor, accept_all(), vital{"accepting"})`. Aborts
/// where it ended by an exception; its ordinary end is the daemon's own.
struct vital {
    std::string_view what;
    void operator()(std::exception_ptr error) const noexcept;
};

/// Runs the context until it is stopped or has nothing to do. An exception that a handler lets out has lost a wait of
/// somebody's, and may have left a strand locked for ever: the daemon aborts.
void run_vital(boost::asio::io_context& context) noexcept;

} // namespace postsluice::daemon
