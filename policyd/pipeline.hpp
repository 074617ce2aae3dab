// SPDX-License-Identifier: Apache-2.0
// From a request to a decision: identify -> profile -> rules -> decision at RCPT (for clients that are no account of
// ours the inbound rules), reconciliation and ticket at DATA, settlement at END-OF-MESSAGE (always DUNNO there: Postfix
// before 3.7.22 lets a client go on after a refusal), DUNNO and no charge elsewhere. One place each for: observe mode,
// abuse_address, what trouble with state does (on_error), references and events, counters, the strikes that refusals
// are. Runs on the event loop's thread; touches no socket. Observe mode holds for all (mode), for a profile (observe)
// or for some rules of it (observe_rules); trouble in a rule follows policyd.on_error_of, where it names the rule, and
// policyd.on_error otherwise. What was answered goes to the recorder, and is added up for its account.
//
// Most requests pass all rules without a wait: they are answered by plain functions, and wait once, for the commit of
// what they charged (state/accounting.hpp). The first rule that has to wait, or does not pass, hands the request to the
// coroutines, which go on where it stands.
//
// abuse_address is always reachable: for that recipient no refusal and no failure counts. Where it fits it is charged
// like any other; where it does not, it passes uncounted and DATA does not count it either.
#pragma once

#include "policyd/account_totals.hpp"
#include "policyd/counters.hpp"
#include "policyd/hooks.hpp"
#include "policyd/known_client.hpp"
#include "policyd/limit_book.hpp"
#include "policyd/recorder.hpp"
#include "policyd/rules/rule.hpp"
#include "policyd/strikes.hpp"
#include "shared/account/ticket.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <set>

namespace postsluice::policyd {

/// How far the rules came with a request.
struct progress {
    std::size_t next = 0;            ///< index of the rule whose turn it is
    std::optional<rule_answer> said; ///< what that one said, where it was asked and did not pass
    bool reported = false;           ///< observe mode: what would have been refused was
};

/// The policy connection a request came on.
struct speaker {
    std::uint64_t number = 0; ///< unique for the process
    transaction current;
    known_client client = {};
    progress asked = {};
};

/// Mail of an account that Postfix took and could not deliver to some.
struct bounced_mail {
    std::string queue_id;                       ///< under which it bounced
    std::string account, login, client, sender; ///< as in its ticket; client: an address; any but account may be empty
    std::vector<std::string> recipients;        ///< who do not exist
};

class pipeline {
public:
    struct parts {
        state::accounting& accounts;
        lock_book& locks;
        const account::ticket_ring& tickets;
        const clock& time;
        rule_helpers helpers = {};
        recorder* record = nullptr; ///< null: nothing is recorded
    };
    pipeline(boost::asio::any_io_executor executor, parts with, config::settings_ptr settings);

    /// New settings, from the next request on; a request that is being answered keeps those it began with.
    void use(config::settings_ptr settings);
    /// The limits that hold, with the operator's overrides.
    [[nodiscard]] limit_book& limits() noexcept { return limits_; }
    [[nodiscard]] const config::settings_ptr& settings() const noexcept { return settings_; }

    /// What to tell Postfix. `what` and `from` belong to the caller's frame and stay as they are until the answer is
    /// there.
    boost::asio::awaitable<decision> answer(const request& what, speaker& from);
    /// The transaction the connection spoke for is over without us having been told: another instance came, or Postfix
    /// closed the connection. Releases what is reserved. Not to be called where we closed.
    boost::asio::awaitable<void> abandon(speaker& from);

    /// Counts recipients as invalid ones of the account: under its limits, and towards a lock. Once, however often it
    /// is told.
    boost::asio::awaitable<result<void>> count_bounced(bounced_mail mail);

    [[nodiscard]] counters& counts() noexcept { return counts_; }
    [[nodiscard]] const account_totals& totals() const noexcept { return totals_; }
    [[nodiscard]] const hook_table& hooks() const noexcept { return hooks_; }

private:
    struct round; // what the rules said so far

    // Without a wait. nullopt: the coroutines must go on.
    std::optional<decision> at_once(const request& what, speaker& from);
    std::optional<decision> rcpt_at_once(const request& what, speaker& from);
    std::optional<decision> data_at_once(const request& what, speaker& from);
    std::optional<decision> settle_at_once(const request& what, speaker& from);
    boost::asio::awaitable<decision> with_waits(const request& what, speaker& from);
    boost::asio::awaitable<decision> at_rcpt(const request& what, speaker& from);
    boost::asio::awaitable<void> take_invalid(const rule_context& context, round& so_far);
    boost::asio::awaitable<decision> at_data(const request& what, speaker& from);
    boost::asio::awaitable<rule_answer> ask(const rule& r, const rule_context& context, progress& so_far);
    boost::asio::awaitable<rule_answer> when_safe(rule_answer answer, transaction& current);

    rule_context context_of(const request& what, speaker& from, std::string_view rule);
    void take_note(const request& what, speaker& from, const decision& out);
    void accepted_data(const request& what, speaker& from);
    boost::asio::awaitable<bool> weigh(const rule_context& context, std::string_view rule, rule_answer answer,
                                       round& so_far);
    boost::asio::awaitable<void> report(const rule_context& context, decision& d);
    decision trouble(const config::settings& settings, const request& what, std::string_view where, const failure& why);
    decision ticket_for(const request& what, std::string_view account, std::string_view login,
                        std::optional<std::uint32_t> new_recipients = {});
    decision ticket_of_ours(const request& what, speaker& from);
    void take_up(const request& what, speaker& from);
    bool conclude(const transaction& over);
    void release(const transaction& over, std::uint64_t connection);
    void not_released(const transaction& over, const failure& why);
    void in_background(boost::asio::awaitable<void> what); ///< nobody waits for it; it begins at once
    boost::asio::awaitable<void> note(boost::asio::awaitable<result<void>> what);
    static bool comes_before(const request& what, const transaction& current) noexcept;

    boost::asio::any_io_executor executor_;
    parts with_;
    config::settings_ptr settings_;
    counters counts_;
    account_totals totals_;
    hook_table hooks_;
    limit_book limits_;
    strikes strikes_;
    std::set<std::size_t> bounced_; ///< hashes of what count_bounced() counted
};

/// Does observe mode hold for the rule?
[[nodiscard]] bool observes(const config::settings& settings, const config::profile& profile,
                            std::string_view rule) noexcept;

} // namespace postsluice::policyd
