// SPDX-License-Identifier: Apache-2.0
// The bookkeeping of the runner, without threads of its own: which steps of a message (the MIME tree, then each check)
// wait, run or are done, when each is due, and who may still report. Every step is reported once: by the lane that ran
// it, or by the watchdog that gave it up; who comes second is told so and stops. activity says how long a pool thread
// has been inside a lane, which is what "stuck" means: a check that merely waits for an answer occupies no thread.
#pragma once

#include "contentfilter/checks/check.hpp"

#include <boost/asio/execution.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace postsluice::contentfilter {

using steady = std::chrono::steady_clock;

/// Since when a thread has been inside one lane's code.
class activity {
public:
    void enter() noexcept { since_ = steady::now().time_since_epoch().count(); }
    void leave() noexcept { since_ = 0; }
    [[nodiscard]] bool inside_longer_than(steady::duration limit) const noexcept {
        const auto since = since_.load();
        return since != 0 && steady::now().time_since_epoch().count() - since > limit.count();
    }

private:
    std::atomic<steady::rep> since_{0};
};

/// The pool's executor, marking in an activity when its functions run.
class watched_executor {
public:
    watched_executor(boost::asio::thread_pool& pool, std::shared_ptr<activity> marks)
        : pool_{&pool}
        , marks_{std::move(marks)} {}
    boost::asio::execution_context& query(boost::asio::execution::context_t) const noexcept { return *pool_; }
    static constexpr boost::asio::execution::blocking_t query(boost::asio::execution::blocking_t) noexcept {
        return boost::asio::execution::blocking.never;
    }
    [[nodiscard]] watched_executor require(boost::asio::execution::blocking_t::never_t) const { return *this; }
    template <class Function>
    void execute(Function function) const {
        boost::asio::require(pool_->get_executor(), boost::asio::execution::blocking.never)
            .execute([marks = marks_, f = std::move(function)]() mutable {
                marks->enter();
                f();
                marks->leave();
            });
    }
    bool operator==(const watched_executor&) const noexcept = default;

private:
    boost::asio::thread_pool* pool_;
    std::shared_ptr<activity> marks_;
};

class check_job {
public:
    /// Step 0 is the MIME tree; the others are `checks`. Each may take `limit` once it has begun, and waits for a
    /// thread until `begun_by`, or for `limit` where that is later.
    check_job(message_ptr what, std::shared_ptr<const check_resources> resources, std::vector<const check*> checks,
              steady::duration limit, steady::time_point begun_by);

    /// Called once, by whichever thread reports the last step.
    void on_finish(std::function<void()> finish) { finish_ = std::move(finish); }
    [[nodiscard]] std::size_t steps() const noexcept { return steps_.size(); }
    [[nodiscard]] const check& check_of(std::size_t step) const { return *checks_[step - 1]; }
    /// The first step from which on all ask servers; steps() where none is configured.
    [[nodiscard]] std::size_t first_asking() const noexcept;
    [[nodiscard]] check_context context(); ///< once the tree is there, or given up
    [[nodiscard]] const message& subject() const noexcept { return *message_; }

    /// A lane is on its way that will run [first, last) in order.
    void plan(std::size_t first, std::size_t last);
    /// False: this step was given up, the lane stops.
    [[nodiscard]] bool begin(std::size_t step);
    [[nodiscard]] bool end(std::size_t step, std::vector<finding> found,
                           std::shared_ptr<const mime::tree> tree = nullptr);
    /// Gives up what is due. The answer are the steps [first, last) that need a lane now.
    [[nodiscard]] std::vector<std::pair<std::size_t, std::size_t>> give_up_overdue();
    /// A thread is stuck: what waits for one waits no longer than `limit` from now on.
    void lose_patience();
    [[nodiscard]] bool finished() const;
    /// All findings in the order of steps; once finished.
    [[nodiscard]] std::vector<finding> take();
    /// The temperror finding of a step.
    [[nodiscard]] finding failed(std::size_t step, std::string_view why) const;

private:
    struct step_state {
        enum { waiting, running, done } state = waiting;
        steady::time_point due = steady::time_point::max();
        std::size_t lane_end = 0;
        std::vector<finding> found;
    };
    void give_up_waiting(std::size_t step);
    void report(step_state& step, std::vector<finding> found, std::unique_lock<std::mutex>& lock);

    message_ptr message_;
    std::shared_ptr<const check_resources> resources_;
    std::vector<const check*> checks_;
    steady::duration limit_;
    steady::time_point begun_by_;
    std::function<void()> finish_;
    mutable std::mutex mutex_;
    std::vector<step_state> steps_;
    std::size_t unfinished_;
    std::shared_ptr<const mime::tree> tree_;
    std::shared_ptr<const mime::content> content_; // of tree_, or without one
};

} // namespace postsluice::contentfilter
