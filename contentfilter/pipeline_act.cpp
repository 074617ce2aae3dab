// SPDX-License-Identifier: Apache-2.0
// What is done about a message once the verdict stands.
#include "contentfilter/pipeline_work.hpp"

#include "contentfilter/act/strike.hpp"
#include "contentfilter/intake/received.hpp"
#include "shared/auth/batv.hpp"
#include "shared/core/random.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

// g++ 12 takes Asio's pair of allocation functions for a mismatch once one of them is inlined (GCC PR 109224).
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
        record(*w, v, v.kind, v.why);
        w->answer(act::later(w->reference));
        break;
    case verdict_kind::hold:
    case verdict_kind::quarantine:
        co_await keep(w, v, verdict_kind::quarantine, v.why);
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
    const bool silent = co_await act::must_not_bounce(w->j.what, v, of_.maps);
    if (silent) {
        co_await keep(w, v, verdict_kind::quarantine, v.why);
        co_return;
    }
    if (w->repeated) {
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
        if (w->what().queue_id != "-") verdicts_.tell(w->what().queue_id + " " + w->what().digest, std::move(now));
        co_await keep(w, v, verdict_kind::quarantine, reason::bounce_cap);
        co_return;
    }
    record(*w, v, v.kind, v.why);
    co_await deal_strike(w, v);
    w->answer(act::refused(w->settings(), w->reference));
}

asio::awaitable<void> pipeline::keep(work_ptr w, const verdict& v, verdict_kind done, reason why) {
    const auto stored = co_await of_.kept.keep(w->j.what, why, act::describe_findings(v.findings), w->reference);
    if (!stored) {
        w->trouble = "quarantine: " + stored.error().message();
        w->answer(stored.error().code == errc::disk_full ? act::no_room() : act::later(w->reference));
        co_return;
    }
    w->done = to_string(done);
    if (stored->repeated) {
        w->reference = stored->id;
    } else {
        record(*w, v, done, why);
        co_await deal_strike(w, v);
    }
    w->answer(act::quarantined(w->reference));
}

asio::awaitable<void> pipeline::deal_strike(work_ptr w, const verdict& v) {
    const auto& sender = w->what().sender;
    if (v.observed || w->repeated || !v.strikes || sender.account == "-") co_return;
    auto digest = act::proof_digest(w->what());
    if (!digest) digest = w->what().digest;
    strike what;
    what.kind = *v.strikes;
    what.at = of_.time.now();
    what.digest = *digest;
    what.reference = w->reference;
    const auto dealt = co_await of_.accounts.add_strike(sender.account, std::move(what), sender.profile->lock);
    if (!dealt) {
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
    if (what.queue_id == "-" || w.released) return nobody;
    auto found = of_.passed.delivered(what.queue_id, what.digest, lines_of(what.envelope.recipients));
    if (found) return std::move(*found);
    log::error("passages not read").kv("queue_id", what.queue_id).kv("why", found.error().message());
    return nobody; // a duplicate is better than a loss
}

// Only of senders that we know: a tag says that the mail is ours.
void pipeline::tag_sender(const work& w, smtp::envelope& out, instant now) {
    const bool known = w.what().sender.account != "-" || w.earlier || w.released;
    if (of_.batv == nullptr || !known || !of_.batv->tags(out.sender.address)) return;
    auto tagged = of_.batv->tag(out.sender.address, now);
    if (!tagged) { // its bounces may be refused; that is less than keeping the mail back
        log::error("reverse-path not tagged").kv("queue_id", w.what().queue_id).kv("why", tagged.error().message());
        return;
    }
    out.sender.address = std::move(*tagged);
    out.sender.path = "<" + out.sender.address.to_smtp() + ">";
}

void pipeline::remember(work& w, const act::prepared& ready, const std::vector<bool>& before) {
    const auto& what = w.what();
    if (what.queue_id == "-") return;
    std::vector<std::string_view> taken;
    const auto lines = lines_of(what.envelope.recipients);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const auto& reply = w.replies.size() == lines.size() ? w.replies[i] : w.replies.front();
        if (reply.ok() && !before[i]) taken.push_back(lines[i]);
    }
    const auto& account = w.earlier ? w.earlier->account : what.sender.account;
    const auto& login = w.earlier ? w.earlier->login : what.sender.who.login;
    const auto written =
        of_.passed.add(what.queue_id, what.digest, {of_.time.now(), account, login, ready.body_hash}, taken);
    if (!written) log::error("passage not recorded").kv("queue_id", what.queue_id).kv("why", written.error().message());
}

asio::awaitable<void> pipeline::deliver(work_ptr w, const verdict& v) {
    const auto now = of_.time.now();
    const auto& what = w->what();
    const auto id = what.queue_id == "-" ? new_reference() : what.queue_id;
    auto changes =
        act::normalise(what, make_received(what.envelope.helo, w->settings().hostname, w->j.speaks, id, now), now);
    if (v.kind == verdict_kind::tag && !v.observed) act::tag(changes, what, v);
    auto ready = co_await act::prepare(w->j.what, std::move(changes), of_.keys(), now);
    if (!ready) {
        w->trouble = "cannot be signed: " + ready.error().message();
        w->answer(act::later(w->reference));
        co_return;
    }
    w->sign = ready->sign;

    const auto before = delivered_before(*w);
    const auto hop = of_.hop();
    relay::mail mail;
    mail.envelope = what.envelope;
    tag_sender(*w, mail.envelope, now);
    act::drop_recipients(mail.envelope, before);
    if (mail.envelope.recipients.empty()) {
        w->done = "delivered-before";
        w->answer(act::delivered_before());
        co_return;
    }
    mail.size = ready->content->size();
    mail.content = act::stream_of(ready->content);
    mail.dot_before = w->j.deadline - hop->dot_timeout();
    mail.still_wanted = w->j.client_is_there;
    const auto everybody = mail.envelope.recipients.size();
    if (w->j.speaks == smtp::protocol::smtp)
        mail.go_ahead = [everybody](const smtp::transaction_result& r) { return r.accepted() == everybody; };
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
    if (ready->sign == "signed")
        ++of_.counts.signed_messages;
    else
        of_.counts.count_unsigned(ready->sign);
    // Only now: a delivery that is tried again would leave an event each time.
    if (v.kind != verdict_kind::pass || v.why != reason::none) record(*w, v, v.kind, v.why);
}

asio::awaitable<std::vector<smtp::reply>> pipeline::hand_on(message_ptr what, steady::time_point deadline) {
    job j;
    j.what = std::move(what);
    j.deadline = deadline;
    auto w = std::make_shared<work>(std::move(j), co_await asio::this_coro::executor);
    w->done = "released";
    w->released = true;
    w->decided.why = reason::released;
    try {
        co_await deliver(w, verdict{});
    } catch (const std::exception& e) {
        w->trouble = e.what();
        w->answer(act::later());
    }
    write_log(*w);
    co_return w->replies;
}

} // namespace postsluice::contentfilter
