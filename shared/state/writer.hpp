// SPDX-License-Identifier: Apache-2.0
// The writer thread of an environment that both daemons write (`state`). LMDB's writer mutex has no time-out: a stopped
// process that holds it blocks every other writer for ever. So writes run here, grouped into one commit while the mutex
// or the disk is busy, and a caller waits at most `timeout`: then errc::timed_out, and on_error applies (the write may
// still happen: operations are idempotent, and own or outlive what they refer to). Callable from any thread; completion
// comes on the caller's executor.
#pragma once

#include "shared/state/store.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>

namespace postsluice::state {

class writer {
public:
    writer(store& where, seconds timeout);
    /// Commits what is queued, then stops; waits for that no longer than `timeout`.
    ~writer();
    writer(const writer&) = delete;
    writer& operator=(const writer&) = delete;

    using operation = std::function<result<void>(write_txn&)>;
    /// Runs `op` in a write transaction; completes after its commit. An op that fails is rolled back alone.
    boost::asio::awaitable<result<void>> run(operation op);
    /// The same, blocking (control tools, tests, start-up).
    result<void> run_blocking(operation op);
    /// No write has been waiting longer than `timeout`.
    [[nodiscard]] bool healthy() const noexcept;

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

} // namespace postsluice::state
