// SPDX-License-Identifier: Apache-2.0
// Puts traffic of the past through the real pipeline: the same rules, limits and locks, on a state of its own in a
// scratch directory, with a clock that shows the time of the request that is asked. Always in enforce mode, whatever
// the configuration's mode: the question is who would have been refused. Nothing leaves the machine and nothing outside
// the scratch directory is written: what asks the network (SPF, valid_sender, valid_recipients, socketmap) is switched
// off and named in `not_asked`; programs of on_lock are not run, notices not made.
//
// What a record cannot tell: whether a client that was refused would have come back, and what would have followed a
// recipient that was refused when it was recorded. Therefore a record made in observe mode says most.
#pragma once

#include "policyd/pipeline.hpp"
#include "policyd/simulation/mail_log.hpp"
#include "policyd/simulation/usage.hpp"
#include "shared/maps/map_set.hpp"
#include "shared/state/account_store.hpp"
#include "shared/state/accounting_lmdb.hpp"

#include <boost/asio/io_context.hpp>

#include <map>
#include <unordered_map>

namespace postsluice::policyd::simulation {

struct refused_by {
    std::uint64_t count = 0; ///< recipients
    instant first{}, last{};
    std::string example; ///< the text of the first reply
};
struct simulated_account {
    std::string profile;
    std::uint64_t recipients = 0, refused = 0, messages = 0;
    std::map<std::pair<std::string, std::string>, refused_by> by; ///< rule, what (a limit, a sender)
};
struct outcome {
    instant from{}, until{};
    std::uint64_t requests = 0, not_ours = 0, trouble = 0;
    std::map<std::string, simulated_account> accounts;
    std::vector<std::string> not_asked;
};

/// The configuration as a simulation uses it; what was switched off is added to `not_asked`.
[[nodiscard]] config::settings_ptr settings_for_simulation(const config::settings& from,
                                                           std::vector<std::string>& not_asked);

class replay {
public:
    static constexpr std::size_t most_kinds = 50; ///< of refusals that are told apart, for each account

    /// Throws std::runtime_error where the scratch directory cannot be used.
    replay(const config::settings& settings, const std::filesystem::path& scratch);
    ~replay();
    replay(const replay&) = delete;
    replay& operator=(const replay&) = delete;

    /// In the order of time; what comes late counts as now.
    void feed(const recorded& line);
    void feed(const logged_message& message);

    [[nodiscard]] const outcome& so_far() const noexcept { return outcome_; }
    [[nodiscard]] const usage& real_use() const noexcept { return usage_; }

private:
    [[nodiscard]] std::optional<account::identity> identified(const request& what) const;
    struct connection {
        speaker from;
        std::string instance;
        std::uint32_t now_refused = 0; ///< recipients that passed then
        std::uint32_t now_passed = 0;  ///< recipients that were refused then
    };
    /// Asks, and books what was answered. True: refused.
    bool ask(const request& what, speaker& from);
    bool ask_data(const recorded& line, connection& on);
    void close(connection& over);
    void move_to(instant t);
    void book(const account::identity& who, const request& what, const decision& said);
    void sent(const request& what, std::uint32_t recipients);
    template <class Job>
    void run(Job job);

    outcome outcome_; // the settings are made with it
    config::settings_ptr settings_;
    boost::asio::io_context context_{1};
    maps::map_set maps_{context_.get_executor()};
    manual_clock time_;
    std::unique_ptr<state::store> counters_, state_;
    std::unique_ptr<state::writer> writer_;
    std::unique_ptr<state::account_store> store_;
    std::unique_ptr<state::accounting> accounts_;
    std::unique_ptr<account::ticket_ring> tickets_;
    std::unique_ptr<lock_book> locks_;
    std::unique_ptr<pipeline> asks_;
    std::unordered_map<std::uint64_t, connection> connections_;
    std::uint64_t next_connection_ = std::uint64_t{1} << 63U; // of messages of a mail log
    instant swept_{};
    usage usage_;
};

} // namespace postsluice::policyd::simulation
