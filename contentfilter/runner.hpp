// SPDX-License-Identifier: Apache-2.0
// Runs all checks of a profile on a message: concurrently on the pool, each with contentfilter.check_timeout. Builds the MIME tree once
// first (under the bounds; beyond them: finding MIME_BOUND and no tree). An exception or time-out in a check is that check's temperror finding.
// A thread stuck past twice its limit makes the daemon finish the others and restart (stuck() turns true).
#pragma once

#include "contentfilter/checks/check.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>

namespace postsluice::contentfilter {

class runner {
public:
    runner(std::size_t threads, std::shared_ptr<const check_resources> resources);
    ~runner();
    /// Findings of all enabled checks, in the order of checks.def.
    boost::asio::awaitable<std::vector<finding>> run(message_ptr what);
    void swap_resources(std::shared_ptr<const check_resources> resources);
    [[nodiscard]] bool stuck() const noexcept { return stuck_; }

private:
    boost::asio::thread_pool pool_;
    std::atomic<std::shared_ptr<const check_resources>> resources_;
    std::atomic<bool> stuck_{false};
};

/// Loads rule files and starts the scan workers. Throws std::runtime_error naming file and line of every error.
[[nodiscard]] std::shared_ptr<const check_resources> load_resources(const config::settings& settings);

} // namespace postsluice::contentfilter
