// SPDX-License-Identifier: Apache-2.0
// Runs all checks of a profile on a message: concurrently on the pool, each with contentfilter.check_timeout. Builds
// the MIME tree once first (under the bounds; beyond them: finding MIME_BOUND and no tree). An exception or time-out in
// a check is that check's temperror finding. A thread stuck past twice its limit makes the daemon finish the others and
// restart (stuck() turns true).
//
// A small message is one piece of work: its checks run one after the other on one thread, since a change of threads
// costs more than most of them; a large one has its checks run side by side. A check that overruns is left behind:
// those after it go on elsewhere. The runner outlives all run() calls. Where a thread is stuck the destructor leaves
// the pool as it is: the process is to end.
#pragma once

#include "contentfilter/checks/check.hpp"

#include <chrono>
#include <memory>
#include <vector>

namespace postsluice::contentfilter {

class runner {
public:
    /// `checks`: all_checks() but in tests.
    runner(std::size_t threads, std::shared_ptr<const check_resources> resources,
           const std::vector<check>& checks = all_checks());
    ~runner();
    runner(const runner&) = delete;
    /// Findings of all enabled checks, in the order of checks.def. A check whose turn has not come by `begun_by` (but
    /// after check_timeout at the earliest) has failed: where all threads have work, waiting is no fault of the check.
    /// One that asked a server waits for a thread once more, when the answer is there: that is in its check_timeout.
    boost::asio::awaitable<std::vector<finding>> run(message_ptr what, std::chrono::steady_clock::time_point begun_by);
    void swap_resources(std::shared_ptr<const check_resources> resources);
    [[nodiscard]] bool stuck() const noexcept;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

/// Loads rule files and lists, starts the scan workers and the clients of scanners outside. Throws std::runtime_error
/// naming file and line of every error. `maps`, `accounts` and `learned` are the daemon's, which outlive a reload.
[[nodiscard]] std::shared_ptr<const check_resources> load_resources(const config::settings& settings,
                                                                    std::shared_ptr<maps::map_set> maps = nullptr,
                                                                    account_memory accounts = {},
                                                                    state::token_statistics* learned = nullptr);

} // namespace postsluice::contentfilter
