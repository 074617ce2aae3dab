// SPDX-License-Identifier: Apache-2.0
// Strikes that the policy daemon deals: which refusals are strikes, and their way into the state without a write for
// each. On the event loop's thread; owned by the pipeline, lives as long as the loop. Nobody's reply waits.
//
// Refusals that come once per incident (a limit) are written at once. Those that come once per recipient (recipients
// that cannot exist, or that others refused) are counted in memory and written as one strike with a weight: an account
// whose count reaches one of its triggers at once (while no earlier write of it is under way), everything else after
// `gather`. So 10,000 invalid recipients of one account cost a write a second at most, or one for each time that they
// would complete a trigger by themselves; all accounts' writes of a second share a commit (state/writer). A crash loses
// what was counted within the last second. A strike whose write failed is counted again, up to `most_pending` accounts.
//
// Only where the profile has a trigger for the kind is a strike remembered; a limit that says "then lock" needs none.
#pragma once

#include "policyd/decision.hpp"
#include "policyd/lock_book.hpp"
#include "policyd/rules/rule.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <map>
#include <set>

namespace postsluice::policyd {

class strikes {
public:
    static constexpr milliseconds gather{1000};
    static constexpr std::size_t most_pending = 4096; ///< accounts and kinds that are counted at a time

    strikes(boost::asio::any_io_executor executor, lock_book& locks);
    /// A refusal that has its reference: deals what it is worth. Not to be called in observe mode.
    void refused(const rule_context& context, const decision& d);
    /// `n` recipients that we let pass and others refused, as DATA told.
    void refused_by_others(const rule_context& context, std::uint32_t n);

private:
    struct sum {
        std::uint32_t weight = 0;
        std::string reference;
        lock_policy policy;
    };
    using subject = std::pair<std::string, strike_kind>; // account

    void reached_limit(const rule_context& context, const decision& d);
    void lock_at_once(const rule_context& context, const decision& d, subject of, std::string cause);
    void count(const rule_context& context, strike_kind kind, std::uint32_t n, const std::string& reference);
    void write(subject of, sum what);
    void spawn(boost::asio::awaitable<void> what);
    boost::asio::awaitable<void> write_one(subject of, strike what, lock_policy policy);
    boost::asio::awaitable<void> write_later();

    boost::asio::any_io_executor executor_;
    lock_book& locks_;
    boost::asio::steady_timer timer_;
    bool timing_ = false;
    std::map<subject, sum> pending_;
    std::set<subject> writing_;
    std::set<std::string, std::less<>> struck_; // references that were struck for: once per incident
};

} // namespace postsluice::policyd
