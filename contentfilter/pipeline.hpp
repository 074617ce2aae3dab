// SPDX-License-Identifier: Apache-2.0
// From a whole message to the replies. In this order: loops, the ticket policy, the account's lock, the checks,
// decide(); then the act: hand on (tagged where the verdict says so), quarantine, refuse, discard, or come back later.
// A message without a ticket whose IDENT and body have passed before was queued again behind us (`postsuper -r`): only
// the lock is asked about.
// What holds, whatever happens:
//  - 2xx only where the next hop said 2xx, or where the quarantined copy is on disk and in the index (or the verdict is
//  discard).
//  - 5xx only for a verdict, or relayed from the next hop. Anything that fails here, an exception too, is 451 4.3.0 and
//  concerns one message.
//  - The answer comes before `deadline`; no final dot leaves so late that its reply could come after it.
//  - What the next hop took is remembered: a repeat of the same bytes under the same IDENT, after a reply of ours that
//  was lost, goes to the other recipients only.
//  - Observe mode: everything is decided, counted and told; the message passes as if nothing had been found, and no
//  strike is dealt.
//  - One verdict for one message (its queue ID and digest): its slices and repeats share it, and it counts once, a
//  temporary failure too, however often it is found. The lock is asked about each time, before the checks and
//  after them.
//  - Before the queue a refusal is said to the client itself, 5xx: there is no bounce to be capped or kept back. A
//  repeat there is a new message; what passed is remembered by the queue ID that it got behind us, for `postsuper -r`.
//  - A message over which the daemon died max_tries times is looked at no more: after_tries, and an alarm. Where it
//  dies even so the header is not read either: quarantine, with nobody as its sender.
// One log line a message: account, queue ID, the next hop's queue ID, verdict, why it was not signed. Runs on the
// caller's strand; any number of messages at once. Outlives all process() calls.
#pragma once

#include "contentfilter/act/quarantine.hpp"
#include "contentfilter/act/reinject.hpp"
#include "contentfilter/act/sign.hpp"
#include "contentfilter/counted_once.hpp"
#include "contentfilter/counters.hpp"
#include "contentfilter/intake/try_mark.hpp"
#include "contentfilter/verdict.hpp"
#include "contentfilter/verdict_memory.hpp"
#include "shared/state/account_store.hpp"
#include "shared/state/campaigns.hpp"
#include "shared/state/event_log.hpp"
#include "shared/state/handovers.hpp"
#include "shared/state/passages.hpp"
#include "shared/state/recipient_memory.hpp"
#include "shared/state/verdict_history.hpp"

#include <functional>

namespace postsluice::maps {
class map_set;
}
namespace postsluice::contentfilter::act {
class pseudonyms;
}
namespace postsluice::auth {
class batv_keys;
}

namespace postsluice::contentfilter {

/// runner::run()
using run_checks =
    std::function<boost::asio::awaitable<std::vector<finding>>(message_ptr, std::chrono::steady_clock::time_point)>;

class pipeline {
public:
    struct parts {
        const clock& time;
        state::account_store& accounts;
        state::event_log& events;
        state::passages& passed;
        act::quarantine& kept;
        run_checks checks;
        std::function<std::shared_ptr<act::next_hop>(const std::string& address)> hop; ///< empty: the default one
        std::function<std::shared_ptr<const auth::key_table>()> keys;
        counters& counts;
        maps::map_set* maps = nullptr;                 ///< where profiles name sender maps
        auth::batv_keys* batv = nullptr;               ///< tags reverse-paths
        act::key_publication* published = nullptr;     ///< what the DNS says of the keys
        const act::pseudonyms* pseudonyms = nullptr;   ///< for contentfilter.identity_header
        state::recipient_memory* recipients = nullptr; ///< learns whom accounts write to
        state::campaigns* campaigns = nullptr;         ///< and what they send
        state::handovers* handed_over = nullptr;       ///< and by what queue ID it went on
        state::verdict_history* verdicts = nullptr;    ///< and how it was judged
    };
    explicit pipeline(parts of)
        : of_{std::move(of)} {}

    struct job {
        message_ptr what;
        /// Until it is on its way to the next hop, or kept, or answered. Absent: nobody counts.
        std::unique_ptr<try_mark> mark;
        std::string passed_as = "-"; ///< the queue ID by which it is known if it passed us before; "-": none
        smtp::protocol speaks = smtp::protocol::lmtp;
        std::chrono::steady_clock::time_point deadline;
        /// No wait for the next hop is longer; absent: as configured, for the deadline of mail from the queue.
        std::optional<std::chrono::milliseconds> next_hop_phase;
        std::function<bool()> client_is_there; ///< asked before the next hop's final dot; absent: yes
    };
    /// LMTP: one reply per recipient; SMTP: one.
    boost::asio::awaitable<std::vector<smtp::reply>> process(job j);

    /// What would happen to the message: findings and verdict; nothing is counted or recorded. Of the time until
    /// `deadline` half may be spent waiting for a thread.
    boost::asio::awaitable<verdict> judge(message_ptr what, std::chrono::steady_clock::time_point deadline);
    /// Signs and hands on a message that an operator released: the reply for each recipient. Who got it is remembered
    /// under `token` (act::quarantine).
    boost::asio::awaitable<std::vector<smtp::reply>> hand_on(message_ptr what, std::string token,
                                                             std::chrono::steady_clock::time_point deadline);
    /// The same for mail that is released in its time: not where its account is locked by now.
    boost::asio::awaitable<std::vector<smtp::reply>> release_in_time(message_ptr what, std::string token);

    [[nodiscard]] const parts& of() const noexcept { return of_; }

private:
    struct work;
    using work_ptr = std::shared_ptr<work>;
    boost::asio::awaitable<void> run(work_ptr w);
    boost::asio::awaitable<void> decide_and_act(work_ptr w);
    boost::asio::awaitable<verdict> find_verdict(work_ptr w);
    boost::asio::awaitable<void> act_on(work_ptr w, verdict v);
    boost::asio::awaitable<void> deliver(work_ptr w, const verdict& v);
    boost::asio::awaitable<void> keep(work_ptr w, const verdict& v, reason why);
    boost::asio::awaitable<void> tell_of(work_ptr w, verdict v, verdict_kind done, reason why);
    boost::asio::awaitable<void> hold(work_ptr w, const verdict& v);
    boost::asio::awaitable<void> refuse(work_ptr w, const verdict& v);
    boost::asio::awaitable<void> deal_strike(work_ptr w, const verdict& v);
    boost::asio::awaitable<bool> passed_before(work_ptr w);
    boost::asio::awaitable<verdict> judge_once(work_ptr w);
    boost::asio::awaitable<verdict> try_to_judge(work_ptr w);
    /// Under which its verdict is remembered. Slices have other recipients each: where [[settings]] ask about these,
    /// what matched may differ, and so the verdict.
    [[nodiscard]] static std::string verdict_key(const message& what);
    /// Says of its verdict whether it was counted for the message before, and under which reference.
    void recognise(work& w, const verdict& v);
    /// Of what is counted beside verdicts.
    [[nodiscard]] bool is_first(const message& what, std::string_view said);
    [[nodiscard]] std::optional<verdict> verdict_on_lock(const message& what, const std::string& account);
    [[nodiscard]] std::vector<bool> delivered_before(const work& w);
    boost::asio::awaitable<result<act::prepared>> prepare(work_ptr w, const verdict& v, instant now);
    boost::asio::awaitable<std::vector<smtp::reply>> send_released(job j, std::string token, bool in_time);
    [[nodiscard]] static relay::mail mail_of(const work& w, const act::next_hop& hop, smtp::envelope envelope);
    [[nodiscard]] static const std::string& hop_for(const work& w, const verdict& v);
    void tag_sender(const work& w, smtp::envelope& out, instant now);
    void learn_recipients(const work& w, const std::vector<bool>& before);
    void learn_campaign(const work& w, const verdict& v);
    void remember_handover(const work& w, const std::string& account, const std::string& login);
    void learn_verdict(const message& what, const verdict& v);
    void remember(work& w, const act::prepared& ready, const std::vector<bool>& before);
    void record(work& w, const verdict& v, verdict_kind done, reason why);
    void write_log(const work& w);

    parts of_;
    verdict_memory verdicts_;
    counted_once counted_;
};

} // namespace postsluice::contentfilter
