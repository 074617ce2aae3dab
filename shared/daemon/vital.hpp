// SPDX-License-Identifier: Apache-2.0
// Work that a daemon lives by: accepting connections, periodic work. If one of these ended by an exception (no memory,
// a defect) and the daemon went on, it would be deaf or blind, and look well. So the daemon ends at once, loudly.
// Whoever started it starts it again; what it has answered for is committed already.
#pragma once

#include <exception>
#include <string_view>

namespace postsluice::daemon {

/// Completion of a coroutine that a daemon lives by: `co_spawn(executor, accept_all(), vital{"accepting"})`. Aborts
/// where it ended by an exception; its ordinary end is the daemon's own.
struct vital {
    std::string_view what;
    void operator()(std::exception_ptr error) const noexcept;
};

} // namespace postsluice::daemon
