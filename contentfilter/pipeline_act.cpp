// SPDX-License-Identifier: Apache-2.0
// What is done about a message once the verdict stands.
#include "contentfilter/act/header_acts.hpp"
#include "contentfilter/act/pseudonyms.hpp"
#include "contentfilter/pipeline_work.hpp"

#include "contentfilter/act/strike.hpp"
#include "contentfilter/intake/received.hpp"
#include "shared/auth/batv.hpp"
#include "shared/core/random.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

// g++ 12 takes Asio's own operator new and delete of coroutine frames for a mismatched pair once they are inlined (GCC
// PR 109224).
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace postsluice::contentfilter {

namespace asio = boost::asio;
using steady = std::chrono::steady_clock;

namespace {
constexpr seconds bounce_period{3600};
}

asio::awaitable<void> pipeline::act_on(work_ptr w, verdict v) {
    switch (v.observed ? verdict_kind::pass : v.kind) {
    case verdict_kind::pass:
    case verdict_kind::tag:
        co_await deliver(w, v);
        break;
    case verdict_kind::tempfail:
        if (!w->repeated) record(*w, v, v.kind, v.why);
        w->answer(act::later(w->reference));
        break;
    case verdict_kind::hold:
        co_await hold(w, v);
        break;
    case verdict_kind::quarantine:
        co_await keep(w, v, v.why);
        break;
    case verdict_kind::reject:
        co_await refuse(w, v);
        break;
    case verdict_kind::discard:
        record(*w, v, v.kind, v.why);
        co_await deal_strike(w, v);
        w->answer(act::discarded(w->reference));
        break;
    }
}

asio::awaitable<void> pipeline::refuse(work_ptr w, const verdict& v) {
    if (v.why == reason::mail_loop) {
        record(*w, v, v.kind, v.why);
        w->answer(act::looping(w->reference));
        co_return;
    }
    if (w->what().in == way::before_queue) {
        record(*w, v, v.kind, v.why);
        co_await deal_strike(w, v);
        w->answer(act::refused(w->settings(), w->reference));
        co_return;
    }
    const bool silent = co_await act::must_not_bounce(w->j.what, v, of_.maps);
    if (silent) {
        co_await keep(w, v, v.why);
        co_return;
    }
    if (w->repeated) {
        co_await deal_strike(w, v);
        w->answer(act::refused(w->settings(), w->reference));
        co_return;
    }
    const auto under = of_.events.count_under(w->what().sender.account, "bounce", bounce_period,
                                              w->settings().contentfilter.bounces_per_hour);
    if (!under)
        log::error("bounces not counted").kv("account", w->what().sender.account).kv("why", under.error().message());
    if (!under || !*under) {
        auto capped = v; // for its other slices as well
        capped.kind = verdict_kind::quarantine;
        capped.why = reason::bounce_cap;
        verdict_memory::remembered now{std::move(capped), w->reference};
        if (w->what().queue_id != "-") verdicts_.tell(verdict_key(w->what()), std::move(now));
        co_await keep(w, v, reason::bounce_cap);
        co_return;
    }
    record(*w, v, v.kind, v.why);
    co_await deal_strike(w, v);
    w->answer(act::refused(w->settings(), w->reference));
}

// In Postfix's own hold queue, signed and done with: what a person takes off hold there goes out. Or here.
asio::awaitable<void> pipeline::hold(work_ptr w, const verdict& v) {
    const bool unread = is_header_deadly(w->deaths(), w->settings().contentfilter);
    if (unread || w->what().sender.profile->hold == config::hold_place::quarantine) {
        co_await keep(w, v, v.why);
        co_return;
    }
    co_await deliver(w, v);
    if (w->delivered == 0) co_return;
    w->done = "hold-queue";
    co_await deal_strike(w, v);
}

asio::awaitable<void> pipeline::keep(work_ptr w, const verdict& v, reason why) {
    act::quarantine::cause because;
    because.why = why;
    because.findings = act::describe_findings(v.findings);
    because.reference = w->reference;
    because.held = v.kind == verdict_kind::hold;
    const auto release = w->what().sender.profile->hold_release;
    const bool deadly = why == reason::tried_too_often; // what releases it might die over it as well, again and again
    if (because.held && !deadly && release > seconds{0}) because.release_at = of_.time.now() + release;
    const auto done = because.held ? verdict_kind::hold : verdict_kind::quarantine;
    const auto executor = co_await asio::this_coro::executor;
    act::quarantine::announcement tell = [this, executor, w, v, done, why] {
        return asio::co_spawn(executor, tell_of(w, v, done, why), asio::use_awaitable);
    };
    const auto stored = co_await of_.kept.keep(w->j.what, std::move(because), std::move(tell));
    if (!stored) {
        w->trouble = "quarantine: " + stored.error().message();
        w->answer(stored.error().code == errc::disk_full ? act::no_room() : act::later(w->reference));
        co_return;
    }
    if (stored->id.empty()) { // a repeat whose first copy was released
        w->done = "delivered-before";
        w->answer(act::delivered_before());
        co_return;
    }
    w->done = to_string(done);
    if (stored->repeated) { // a kill may have come between the message and what is told of it
        w->reference = stored->id;
        const auto known = of_.events.find(stored->id);
        if (known && !known->has_value()) record(*w, v, done, why);
        // Once for all slices and tries of a message; it may be that none of them came as far before.
        if (w->what().queue_id != "-") co_await deal_strike(w, v);
    }
    w->answer(act::quarantined(w->reference));
    for (std::size_t i = 0; w->j.speaks == smtp::protocol::lmtp && i < w->replies.size(); ++i)
        if (stored->delivered[i]) w->replies[i] = act::delivered_before();
}

// Before anybody sees the entry: who finds it asks why, and the account's next message meets the lock.
asio::awaitable<void> pipeline::tell_of(work_ptr w, verdict v, verdict_kind done, reason why) {
    record(*w, v, done, why);
    co_await deal_strike(w, v);
}

asio::awaitable<void> pipeline::deal_strike(work_ptr w, const verdict& v) {
    const auto& sender = w->what().sender;
    if (v.observed || !v.strikes || sender.account == "-") co_return;
    const auto key = w->what().queue_id == "-" ? std::string{} : verdict_key(w->what());
    if (!key.empty() && !verdicts_.first_to_strike(key)) co_return;
    auto digest = act::proof_digest(w->what());
    if (!digest) digest = w->what().digest;
    strike what;
    what.kind = *v.strikes;
    what.at = of_.time.now();
    what.digest = *digest;
    what.reference = w->reference;
    const auto dealt = co_await of_.accounts.add_strike(sender.account, std::move(what), sender.profile->lock);
    if (!dealt) {
        if (!key.empty()) verdicts_.not_struck(key);
        log::error("strike not recorded")
            .kv("account", sender.account)
            .kv("ref", w->reference)
            .kv("why", dealt.error().message());
        co_return;
    }
    log::info("strike")
        .kv("account", sender.account)
        .kv("kind", to_string(*v.strikes))
        .kv("counted", dealt->counted)
        .kv("ref", w->reference);
    for (const auto& event : dealt->events)
        log::warning("account")
            .kv("account", sender.account)
            .kv("event", to_string(event.kind))
            .kv("cause", event.cause)
            .kv("ref", w->reference);
}

void pipeline::record(work& w, const verdict& v, verdict_kind done, reason why) {
    const auto written = of_.events.record(act::make_event(w.what(), v, done, why, w.reference, of_.time.now()));
    if (!written) log::error("event not recorded").kv("ref", w.reference).kv("why", written.error().message());
}

namespace {
/// As Postfix wrote them, parameters and all: two entries of one address may differ there, and both be meant.
std::vector<std::string_view> lines_of(const std::vector<smtp::path_argument>& recipients) {
    std::vector<std::string_view> out;
    out.reserve(recipients.size());
    for (const auto& one : recipients)
        out.push_back(one.raw);
    return out;
}
} // namespace

std::vector<bool> pipeline::delivered_before(const work& w) {
    const auto& what = w.what();
    std::vector<bool> nobody(what.envelope.recipients.size(), false);
    if (what.queue_id == "-" || !w.release.empty()) return nobody;
    auto found = of_.passed.delivered(what.queue_id, what.digest, lines_of(what.envelope.recipients));
    if (found) return std::move(*found);
    log::error("passages not read").kv("queue_id", what.queue_id).kv("why", found.error().message());
    return nobody; // a duplicate is better than a loss
}

// Only of senders that we know: a tag says that the mail is ours.
void pipeline::tag_sender(const work& w, smtp::envelope& out, instant now) {
    const bool known = w.what().sender.account != "-" || w.earlier || !w.release.empty();
    if (of_.batv == nullptr || !known || !of_.batv->tags(out.sender.address)) return;
    auto tagged = of_.batv->tag(out.sender.address, now);
    if (!tagged) { // its bounces may be refused; that is less than keeping the mail back
        log::error("reverse-path not tagged").kv("queue_id", w.what().queue_id).kv("why", tagged.error().message());
        return;
    }
    out.sender.address = std::move(*tagged);
    out.sender.path = "<" + out.sender.address.to_smtp() + ">";
}

/// Known recipients are those of mail that left: what a spammer tried is not known for that.
void pipeline::learn_recipients(const work& w, const std::vector<bool>& before) {
    const auto& what = w.what();
    if (of_.recipients == nullptr || what.sender.account == "-" || !w.release.empty()) return;
    std::vector<std::string> taken;
    const auto& all = what.envelope.recipients;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto& reply = w.replies.size() == all.size() ? w.replies[i] : w.replies.front();
        if (reply.ok() && !before[i]) taken.push_back(all[i].address.key());
    }
    const auto learned = of_.recipients->learn(what.sender.account, taken, w.settings().content.known_recipients);
    if (!learned) log::error("recipients not learned").kv("why", learned.error().message());
}

/// Also what is stopped: the next account that sends it is not the first. A temporary error comes again.
void pipeline::learn_campaign(const work& w, const verdict& v) {
    const auto& what = w.what();
    if (of_.campaigns == nullptr || v.kind == verdict_kind::tempfail || what.sender.account == "-") return;
    const auto learned = of_.campaigns->learn(what.notes->fingerprints(), what.sender.account, recipients_of(what),
                                              of_.time.now(), campaign_bounds(w.settings().fingerprints));
    if (!learned) log::error("fingerprints not learned").kv("why", learned.error().message());
}

/// For the bounces of it, which name nothing but the queue ID.
void pipeline::remember_handover(const work& w, const std::string& account, const std::string& login) {
    const auto& what = w.what();
    const bool wanted = of_.handed_over != nullptr && !w.settings().contentfilter.listen_bounces.empty();
    if (!wanted || account == "-" || w.next_queue_id.empty()) return;
    const auto client = what.sender.ticket ? what.sender.ticket->client : std::string{};
    const auto written = of_.handed_over->add(
        w.next_queue_id, {of_.time.now(), account, login, client, what.envelope.sender.address.to_smtp()});
    if (!written)
        log::error("handover not recorded").kv("queue_id", w.next_queue_id).kv("why", written.error().message());
}

/// Once a message: of its slices and repeats the first one is judged.
void pipeline::learn_verdict(const message& what, const verdict& v) {
    const auto& bounds = what.settings->content;
    if (of_.verdicts == nullptr || what.sender.account == "-" || v.kind == verdict_kind::tempfail ||
        bounds.recent_verdicts == 0 || bounds.strike_memory.count() == 0)
        return;
    const auto learned = of_.verdicts->learn(what.sender.account, is_bad_by_itself(v, *what.sender.profile),
                                             of_.time.now(), {bounds.recent_verdicts, bounds.strike_memory});
    if (!learned) log::error("verdict not learned").kv("why", learned.error().message());
}

void pipeline::remember(work& w, const act::prepared& ready, const std::vector<bool>& before) {
    const auto& what = w.what();
    // Before the queue the IDENT that Postfix will know the message by is made behind us. By pipe it is not told us:
    // what `postsuper -r` brings back behind us is known by the queue ID that it got there (job::passed_as).
    const auto& ident = what.in == way::before_queue ? w.next_queue_id : what.queue_id;
    const auto behind = what.in == way::pipe ? w.next_queue_id : std::string{};
    std::vector<std::string_view> taken;
    const auto lines = lines_of(what.envelope.recipients);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const auto& reply = w.replies.size() == lines.size() ? w.replies[i] : w.replies.front();
        if (reply.ok() && !before[i]) taken.push_back(lines[i]);
    }
    const auto& account = w.earlier ? w.earlier->account : what.sender.account;
    const auto& login = w.earlier ? w.earlier->login : what.sender.who.login;
    const state::passage passage{of_.time.now(), account, login, ready.body_hash};
    remember_handover(w, account, login);
    for (const auto& name : {w.release, ident, behind}) {
        if (name.empty() || name == "-") continue;
        const auto written = of_.passed.add(name, what.digest, passage, taken);
        if (!written) log::error("passage not recorded").kv("queue_id", name).kv("why", written.error().message());
    }
}

asio::awaitable<result<act::prepared>> pipeline::prepare(work_ptr w, const verdict& v, instant now) {
    const auto& what = w->what();
    const auto id = what.queue_id == "-" ? new_reference() : what.queue_id;
    auto changes =
        act::normalise(what, make_received(what.envelope.helo, w->settings().hostname, w->j.speaks, id, now), now);
    act::hide_client(changes, what);
    if (const auto& header = w->settings().contentfilter.identity_header; !header.empty()) {
        const auto& account = w->earlier ? w->earlier->account : what.sender.account;
        const bool known = account != "-" && of_.pseudonyms != nullptr;
        act::identify(changes, what, header, known ? of_.pseudonyms->of(account) : std::string{});
    }
    if (v.kind == verdict_kind::tag && !v.observed) act::tag(changes, what, v);
    co_return co_await act::prepare(w->j.what, std::move(changes), of_.keys(), of_.published, now);
}

const std::string& pipeline::hop_for(const work& w, const verdict& v) {
    const bool held = v.kind == verdict_kind::hold && !v.observed;
    return held ? w.settings().contentfilter.hold_hop : w.what().sender.profile->next_hop;
}

relay::mail pipeline::mail_of(const work& w, const act::next_hop& hop, smtp::envelope envelope) {
    relay::mail mail;
    mail.envelope = std::move(envelope);
    mail.at_most = w.j.next_hop_phase;
    mail.dot_before = w.j.deadline - std::min(hop.dot_timeout(), mail.at_most.value_or(hop.dot_timeout()));
    mail.still_wanted = w.j.client_is_there;
    const auto everybody = mail.envelope.recipients.size();
    if (w.j.speaks == smtp::protocol::smtp)
        mail.go_ahead = [everybody](const smtp::transaction_result& r) { return r.accepted() == everybody; };
    return mail;
}

asio::awaitable<void> pipeline::deliver(work_ptr w, const verdict& v) {
    const auto now = of_.time.now();
    const auto& what = w->what();
    auto ready = co_await prepare(w, v, now);
    if (!ready) {
        w->trouble = "cannot be signed: " + ready.error().message();
        w->answer(act::later(w->reference));
        co_return;
    }
    w->sign = act::to_string(ready->unsigned_why);

    const auto before = delivered_before(*w);
    auto envelope = what.envelope;
    tag_sender(*w, envelope, now);
    act::drop_recipients(envelope, before);
    if (envelope.recipients.empty()) {
        w->done = "delivered-before";
        w->answer(act::delivered_before());
        co_return;
    }
    w->j.mark.reset(); // a next hop may take its time, and somebody else's death meanwhile is not this message's
    const auto hop = of_.hop(hop_for(*w, v));
    auto mail = mail_of(*w, *hop, std::move(envelope));
    mail.size = ready->content->size();
    mail.content = act::stream_of(ready->content);
    const auto result = co_await hop->deliver(std::move(mail));

    auto outcome = act::relay_outcome(result, w->j.speaks);
    if (outcome.partly_refused)
        log::error("next hop refuses some recipients: its listener is to check nothing").kv("queue_id", what.queue_id);
    w->replies = std::move(outcome.replies);
    if (w->j.speaks == smtp::protocol::lmtp) act::insert_replies(w->replies, before);
    w->next_queue_id = outcome.next_queue_id;
    w->delivered = outcome.delivered;
    w->trouble = outcome.trouble;
    if (outcome.delivered == 0) co_return;
    remember(*w, *ready, before);
    learn_recipients(*w, before);
    if (ready->unsigned_why == act::unsigned_reason::none)
        ++of_.counts.signed_messages;
    else
        of_.counts.count_unsigned(act::to_string(ready->unsigned_why));
    // Only now: a delivery that is tried again would leave an event each time.
    if (v.kind != verdict_kind::pass || v.why != reason::none) record(*w, v, v.kind, v.why);
}

asio::awaitable<std::vector<smtp::reply>> pipeline::send_released(job j, std::string token, bool in_time) {
    auto w = std::make_shared<work>(std::move(j), co_await asio::this_coro::executor);
    w->done = in_time ? "released-in-time" : "released";
    w->release = std::move(token);
    w->decided.why = reason::released;
    try {
        auto locked = in_time ? verdict_on_lock(w->what(), w->what().sender.account) : std::nullopt;
        if (locked && !locked->observed) {
            w->trouble = "not released: the account is locked, or its lock is not known";
            w->answer(act::later());
        } else {
            co_await deliver(w, verdict{});
        }
    } catch (const std::exception& e) {
        w->trouble = e.what();
        w->answer(act::later());
    }
    write_log(*w);
    co_return w->replies;
}

asio::awaitable<std::vector<smtp::reply>> pipeline::hand_on(message_ptr what, std::string token,
                                                            steady::time_point deadline) {
    job j;
    j.what = std::move(what);
    j.deadline = deadline;
    co_return co_await send_released(std::move(j), std::move(token), false);
}

asio::awaitable<std::vector<smtp::reply>> pipeline::release_in_time(message_ptr what, std::string token) {
    job j;
    j.deadline = steady::now() + what->settings->contentfilter.deadline;
    j.what = std::move(what);
    co_return co_await send_released(std::move(j), std::move(token), true);
}

} // namespace postsluice::contentfilter
