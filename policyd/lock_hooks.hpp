// SPDX-License-Identifier: Apache-2.0
// Runs the programs of on_lock: takes hook calls from the outbox of state/account_store, whoever caused the transition
// (this daemon, the filter, an operator), and runs the commands of the profile. On the event loop's thread, beside it:
// no request and no mail waits.
//
// Order: the transitions of one account one after the other, each one's commands in the order of the profile; of
// different accounts up to policyd.max_hooks programs at a time. The rest waits in the outbox, on disk; no more than
// `at_once` of it in memory. A program that runs longer than policyd.hook_timeout is killed with its group.
//
// A call leaves the outbox when its commands have ended, well or not; each command that has ended is written down. So a
// program runs once; where a crash falls between its end and that write it runs again (POSTSLUICE_ATTEMPT says so).
// One that fails is not tried again: the failure is logged, stands in the account's history and is told by a notice.
#pragma once

#include "policyd/lock_hook_command.hpp"
#include "policyd/run_program.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <set>

namespace postsluice::policyd {

class hook_outbox { // what hooks need of the store, so that a test can stand in
public:
    virtual ~hook_outbox() = default;
    [[nodiscard]] virtual result<std::vector<state::hook_call>> waiting(std::size_t most) = 0;
    virtual boost::asio::awaitable<result<void>> now(state::hook_call what) = 0;
    virtual boost::asio::awaitable<result<void>> over(std::vector<std::uint64_t> ids) = 0;
    virtual boost::asio::awaitable<result<void>> failed(std::string account, std::string words,
                                                        std::string reference) = 0;
};

class stored_hook_outbox final : public hook_outbox {
public:
    explicit stored_hook_outbox(state::account_store& in)
        : in_{in} {}
    [[nodiscard]] result<std::vector<state::hook_call>> waiting(std::size_t most) override {
        return in_.hook_calls(most);
    }
    boost::asio::awaitable<result<void>> now(state::hook_call what) override {
        return in_.hook_call_now(std::move(what));
    }
    boost::asio::awaitable<result<void>> over(std::vector<std::uint64_t> ids) override {
        return in_.hook_calls_over(std::move(ids));
    }
    boost::asio::awaitable<result<void>> failed(std::string account, std::string words,
                                                std::string reference) override {
        return in_.hook_failed(std::move(account), std::move(words), std::move(reference));
    }

private:
    state::account_store& in_;
};

class lock_hooks {
public:
    static constexpr milliseconds look_every{1000};
    static constexpr std::size_t at_once = 200; ///< calls that are looked at in a round

    lock_hooks(boost::asio::any_io_executor executor, hook_outbox& from,
               std::function<config::settings_ptr()> settings);
    /// Until the context stops.
    boost::asio::awaitable<void> run();
    /// Begins what may begin now; does not wait for its end.
    boost::asio::awaitable<void> round();
    [[nodiscard]] std::size_t running() const noexcept { return under_way_->running; }

    struct occupancy {
        std::size_t running = 0;
        std::set<std::string, std::less<>> busy; ///< accounts
    };

private:
    boost::asio::awaitable<void> work(state::hook_call what, std::vector<std::string> commands, milliseconds timeout);
    boost::asio::awaitable<void> run_one(state::hook_call what, std::string command, milliseconds timeout);
    boost::asio::awaitable<void> clear(std::vector<std::uint64_t> ids);

    boost::asio::any_io_executor executor_;
    hook_outbox& from_;
    std::function<config::settings_ptr()> settings_;
    std::shared_ptr<occupancy> under_way_; // shared with programs that the loop's end leaves behind
    std::set<std::uint64_t> over_;         // done, but the outbox could not be told yet
};

} // namespace postsluice::policyd
