// SPDX-License-Identifier: Apache-2.0
// The way to the verdict, and the line in the log. What is done about it is in pipeline_act.cpp.
#include "contentfilter/pipeline_work.hpp"

#include "contentfilter/act/strike.hpp"
#include "contentfilter/intake/received.hpp"
#include "contentfilter/misplacement.hpp"
#include "shared/account/locks.hpp"
#include "shared/core/random.hpp"
#include "shared/core/text.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace postsluice::contentfilter {

namespace asio = boost::asio;
using steady = std::chrono::steady_clock;

namespace {
constexpr std::size_t logged_findings = 300; // octets

// A verdict that no check gave.
verdict verdict_of(verdict_kind kind, reason why, bool observe) {
    verdict v;
    v.kind = kind;
    v.why = why;
    v.observed = observe;
    return v;
}

bool observes(const message& what) {
    return what.settings->mode == config::run_mode::observe || what.sender.profile->observe;
}

verdict_kind kind_of(config::filter_error_policy on_error) {
    return on_error == config::filter_error_policy::hold ? verdict_kind::hold : verdict_kind::tempfail;
}

std::string identity_of(const message& what) {
    return what.queue_id + " " + what.digest;
}

bool is_clean(const verdict& v) {
    return v.kind == verdict_kind::pass && v.why == reason::none;
}

std::string words_of(const verdict& v) {
    return std::string{to_string(v.kind)} + " " + std::string{to_string(v.why)} + (v.observed ? " observed" : "");
}

/// With a blank before each.
std::string names_of(const std::vector<matched_settings>& all) {
    std::string out;
    for (const auto& one : all)
        out.append(" ").append(one.name).append(one.only_stricter ? "(stricter)" : "");
    return out;
}

} // namespace

std::string pipeline::verdict_key(const message& what) {
    return identity_of(what) + names_of(what.matched);
}

bool pipeline::is_first(const message& what, std::string_view said) {
    return what.queue_id == "-" || !counted_.before(identity_of(what), said);
}

void pipeline::recognise(work& w, const verdict& v) {
    auto words = words_of(v);
    if (w.recognised == words) return;
    w.recognised = std::move(words);
    w.reference = is_clean(v) ? std::string{} : new_reference();
    w.repeated = false;
    if (w.what().queue_id == "-") return;
    auto earlier = counted_.before(identity_of(w.what()), w.recognised, w.reference);
    if (!earlier) return;
    w.repeated = true;
    w.reference = std::move(*earlier);
}

asio::awaitable<std::vector<smtp::reply>> pipeline::process(job j) {
    const auto executor = co_await asio::this_coro::executor;
    auto w = std::make_shared<work>(std::move(j), executor);
    ++of_.counts.messages;
    ++of_.counts.in_progress;
    of_.counts.octets += w->what().content->size();
    w->late.expires_at(w->j.deadline);
    asio::co_spawn(executor, run(w), asio::detached);
    if (!w->finished) co_await w->late.async_wait(asio::as_tuple(asio::use_awaitable));
    --of_.counts.in_progress;
    if (!w->finished) {
        w->trouble = "the deadline passed";
        w->answer(act::later());
    }
    write_log(*w);
    co_return w->replies;
}

asio::awaitable<void> pipeline::run(work_ptr w) {
    try {
        co_await decide_and_act(w);
    } catch (const std::exception& e) {
        w->trouble = e.what();
        w->replies.clear();
    }
    if (w->replies.empty()) w->answer(act::later(w->reference));
    w->finished = true;
    w->late.cancel();
}

asio::awaitable<void> pipeline::decide_and_act(work_ptr w) {
    auto v = co_await find_verdict(w);
    w->decided = v;
    recognise(*w, v);
    if (!w->repeated) {
        of_.counts.count(v);
        if (!w->earlier) count_if_unasked(w->what(), of_.counts);
        learn_campaign(*w, v);
    }
    co_await act_on(w, std::move(v));
}

namespace {

// The same question that policyd asks at RCPT, of the same facts, as the ticket and the envelope tell them. Of mail
// that passed before, and comes back without its ticket, only the account is known.
result<bool> is_stopped(const pipeline::parts& of, const message& what, const std::string& account) {
    const auto locks = of.accounts.locks();
    if (!locks) return locks.error();
    const bool same = account == what.sender.account;
    const auto who = same ? what.sender.who : account::identity_of(*what.settings, account);
    const auto client = what.sender.ticket ? std::string_view{what.sender.ticket->client} : std::string_view{};
    const auto found =
        account::find_lock(*what.settings, {who, client, what.envelope.sender.address}, **locks, of.time.now());
    if (!found) return found.error();
    return found->has_value();
}

} // namespace

// What a locked account, or one of a locked domain, customer, client or sender, still had in the queue. Its mail to the
// abuse address passes: that is how it asks to be opened.
std::optional<verdict> pipeline::verdict_on_lock(const message& what, const std::string& account) {
    if (account == "-") return std::nullopt;
    const auto stopped = is_stopped(of_, what, account);
    if (!stopped) {
        const auto on_error = what.settings->contentfilter.on_error;
        log::error("lock not read").kv("account", account).kv("why", stopped.error().message());
        if (on_error == config::filter_error_policy::pass) return std::nullopt;
        return verdict_of(kind_of(on_error), reason::state_unavailable, observes(what));
    }
    if (!*stopped) return std::nullopt;
    const auto abuse = mail_address::from_internal(what.settings->abuse_address).key();
    const auto& recipients = what.envelope.recipients;
    if (!abuse.empty() &&
        std::all_of(recipients.begin(), recipients.end(), [&](const auto& r) { return r.address.key() == abuse; }))
        return std::nullopt;
    return verdict_of(verdict_kind::quarantine, reason::account_locked, observes(what));
}

asio::awaitable<verdict> pipeline::judge(message_ptr what, steady::time_point deadline) {
    const auto now = steady::now();
    auto found = co_await of_.checks(what, now + (deadline - now) / 2);
    const auto& filter = what->settings->contentfilter;
    const verdict_policy policy{*what->sender.profile, filter.on_error, observes(*what), &filter.on_error_of,
                                &what->at_least};
    co_return decide(std::move(found), policy);
}

// A temporary error is nobody's verdict but theirs who wait: the next one tries anew.
asio::awaitable<verdict> pipeline::judge_once(work_ptr w) {
    const auto& what = w->what();
    if (what.queue_id == "-") {
        auto v = co_await try_to_judge(w);
        learn_verdict(what, v);
        co_return v;
    }
    const auto key = verdict_key(what);
    auto known = co_await verdicts_.ask(key, w->j.deadline);
    if (known) {
        w->repeated = true;
        w->recognised = words_of(known->what);
        w->reference = std::move(known->reference);
        co_return std::move(known->what);
    }
    struct first {
        verdict_memory& verdicts;
        const std::string& key;
        bool told = false;
        ~first() {
            if (!told) verdicts.give_up(key);
        }
    } finding_it{verdicts_, key};
    auto v = co_await try_to_judge(w);
    recognise(*w, v);
    if (!w->repeated) learn_verdict(what, v);
    verdict_memory::remembered now{v, w->reference};
    if (v.kind == verdict_kind::tempfail)
        verdicts_.tell_waiting(key, now);
    else
        verdicts_.tell(key, std::move(now));
    finding_it.told = true;
    co_return v;
}

asio::awaitable<verdict> pipeline::try_to_judge(work_ptr w) {
    const auto deaths = w->deaths();
    const auto& filter = w->settings().contentfilter;
    if (!is_deadly(deaths, filter)) co_return co_await judge(w->j.what, w->j.deadline);
    log::error("the filter died over this message too often: it is looked at no more")
        .kv("queue_id", w->what().queue_id)
        .kv("account", w->what().sender.account)
        .kv("tries", deaths);
    const bool hold = is_header_deadly(deaths, filter) || filter.after_tries == config::tries_policy::hold;
    co_return verdict_of(hold ? verdict_kind::hold : verdict_kind::pass, reason::tried_too_often, false);
}

// Nobody but Postfix can say under which queue ID a message passed us. The body is compared, since a short queue ID
// (enable_long_queue_ids = no) is used again.
asio::awaitable<bool> pipeline::passed_before(work_ptr w) {
    const auto& what = w->what();
    if (what.sender.by != sender_identity::proof::none || w->j.passed_as == "-") co_return false;
    auto earlier = of_.passed.find(w->j.passed_as);
    if (!earlier) {
        log::error("passages not read").kv("queue_id", what.queue_id).kv("why", earlier.error().message());
        co_return false;
    }
    if (!*earlier) co_return false;
    const auto body = co_await act::hash_body(w->j.what);
    if (!body || body->hash != (*earlier)->body_hash) co_return false;
    w->earlier = std::move(*earlier);
    co_return true;
}

asio::awaitable<verdict> pipeline::find_verdict(work_ptr w) {
    const auto& what = w->what();
    const auto& filter = w->settings().contentfilter;
    if (is_header_deadly(w->deaths(), filter)) co_return co_await judge_once(w);
    // Never only observed: a loop does not end by itself.
    if (count_passes(what.header, w->settings().hostname) > filter.max_loops)
        co_return verdict_of(verdict_kind::reject, reason::mail_loop, false);
    const bool again = co_await passed_before(w);
    if (again) {
        auto locked = verdict_on_lock(what, w->earlier->account);
        if (locked) co_return std::move(*locked);
        co_return verdict{};
    }
    if (what.sender.by == sender_identity::proof::none) {
        if (is_first(what, "no ticket")) ++of_.counts.no_ticket;
        if (filter.no_ticket == config::no_ticket_policy::hold)
            co_return verdict_of(verdict_kind::hold, reason::no_ticket, observes(what));
        if (filter.no_ticket == config::no_ticket_policy::tempfail)
            co_return verdict_of(verdict_kind::tempfail, reason::no_ticket, observes(what));
    }
    auto locked = verdict_on_lock(what, what.sender.account);
    if (locked && !locked->observed) co_return std::move(*locked);
    auto v = co_await judge_once(w);
    // Checks take their time: meanwhile another message may have locked the account.
    if (!locked && v.kind <= verdict_kind::tag) {
        locked = verdict_on_lock(what, what.sender.account);
        if (locked && !locked->observed) co_return std::move(*locked);
    }
    if (locked && v.kind < locked->kind) { // only observed: what the checks found is told as well
        locked->findings = std::move(v.findings);
        locked->score = v.score;
        co_return std::move(*locked);
    }
    co_return v;
}

void pipeline::write_log(const work& w) {
    const auto& what = w.what();
    const auto& v = w.decided;
    const bool failed = !w.trouble.empty() ||
                        std::any_of(w.replies.begin(), w.replies.end(), [](const auto& r) { return r.klass() == 4; });
    if (failed && is_first(what, "put off")) ++of_.counts.tempfailed;
    const bool loud = failed || (what.sender.by == sender_identity::proof::none && !w.earlier);
    const auto findings = act::describe_findings(v.findings);
    std::string found;
    for (const auto& one : findings)
        found += (found.empty() ? "" : "; ") + one;
    log::line line{loud && w.release.empty() ? log::level::warning : log::level::info, "message"};
    auto more = [&line](std::string_view key, const auto& value) { std::move(line).kv(key, value); };
    more("account", w.earlier ? w.earlier->account : what.sender.account);
    more("queue_id", what.queue_id);
    more("next_queue_id", w.next_queue_id);
    more("proof", w.earlier ? "passed" : to_string(what.sender.by));
    more("verdict", to_string(v.kind));
    if (w.done != "-") more("done", w.done);
    if (v.observed && v.kind != verdict_kind::pass) more("observed", true);
    if (v.why != reason::none) more("reason", to_string(v.why));
    if (!w.reference.empty()) more("ref", w.reference);
    more("sign", w.sign);
    more("from", printable(what.envelope.sender.path, 320));
    more("nrcpt", what.envelope.recipients.size());
    more("delivered", w.delivered);
    more("size", what.content->size());
    if (!what.matched.empty()) more("settings", names_of(what.matched).substr(1));
    if (!found.empty()) {
        more("score", v.score);
        more("findings", printable(found, logged_findings));
    }
    if (!w.replies.empty()) more("reply", w.replies.front().text());
    if (!w.trouble.empty()) more("trouble", w.trouble);
    more("ms", std::chrono::duration_cast<milliseconds>(steady::now() - w.begun).count());
}

} // namespace postsluice::contentfilter
