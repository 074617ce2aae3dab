// SPDX-License-Identifier: Apache-2.0
// What comes of an answer: events, references, log lines, strikes, on_error, tickets.
#include "policyd/pipeline.hpp"

#include "shared/log/log.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>

#include <algorithm>

namespace postsluice::policyd {

namespace asio = boost::asio;

namespace {

constexpr std::size_t struck_most = 4096;

void log_refusal(const rule_context& context, const decision& d) {
    log::info(context.observe ? "would refuse" : "refused")
        .kv("reason", to_string(d.why))
        .kv("account", context.who.account)
        .kv("what", d.subject)
        .kv("stage", to_string(context.what.at))
        .kv("client", context.what.client_address)
        .kv("sender", context.what.sender)
        .kv("recipient", context.what.recipient)
        .kv("queue_id", context.what.queue_id)
        .kv("instance", context.what.instance)
        .kv("text", d.text)
        .kv("ref", d.reference);
}

asio::awaitable<void> strike_job(lock_book& locks, std::string account, strike what, lock_policy policy) {
    const auto done = co_await locks.add(account, std::move(what), std::move(policy));
    if (!done) {
        log::warning("strike not recorded").kv("account", account).kv("why", done.error().message());
        co_return;
    }
    for (const auto& event : done->events) {
        log::warning("lock")
            .kv("account", account)
            .kv("event", to_string(event.kind))
            .kv("cause", event.cause)
            .kv("ref", event.reference);
    }
}

void log_escaped(std::exception_ptr error) noexcept {
    if (!error) {
        return;
    }
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        log::error("a write failed").kv("why", e.what());
    } catch (...) {
        log::error("a write failed");
    }
}

} // namespace

void pipeline::in_background(asio::awaitable<void> what) {
    asio::co_spawn(executor_, std::move(what), &log_escaped);
}

// Counts, stores, logs; gives the decision its contact and reference.
asio::awaitable<void> pipeline::report(const rule_context& context, decision& d) {
    ++counters::of(context.observe ? counts_.observed : counts_.decided, d.why);
    d.contact = context.settings.contact;
    state::refusal event;
    event.account = context.who.account;
    event.why = d.why;
    event.subject = d.subject;
    event.detail = d.text;
    event.client = context.what.client_address;
    event.sender = context.what.sender;
    event.recipient = context.what.recipient;
    event.queue_id = context.what.queue_id;
    event.observed = context.observe;
    auto reference = co_await context.accounts.record(std::move(event), context.settings.policyd.incident);
    if (reference) {
        d.reference = std::move(*reference);
    } else {
        ++counts_.trouble;
        log::warning("refusal not recorded").kv("account", context.who.account).kv("why", reference.error().message());
    }
    log_refusal(context, d);
    if (d.why == reason::limit && !context.observe && !d.reference.empty()) {
        strike_for(context, d);
    }
}

// What was found and refuses nothing (spf = "warn", valid_recipients = "count"): counted as what would have been
// refused, and logged.
void pipeline::note(const rule_context& context, const decision& d) {
    ++counters::of(counts_.observed, d.why);
    log::warning("warned")
        .kv("reason", to_string(d.why))
        .kv("account", context.who.account)
        .kv("what", d.subject)
        .kv("sender", context.what.sender)
        .kv("recipient", context.what.recipient)
        .kv("text", d.text);
}

// A limit refusal is a strike, once per incident, where the profile asks for it. The reply does not wait for it.
void pipeline::strike_for(const rule_context& context, const decision& d) {
    const auto& after = context.profile.lock.after;
    if (std::ranges::none_of(after, [](const lock_trigger& t) { return t.kind == strike_kind::limit; })) {
        return;
    }
    if (struck_.size() >= struck_most) {
        struck_.clear(); // the digest still tells repetitions within the hour
    }
    if (!struck_.insert(d.reference).second) {
        return;
    }
    strike what;
    what.kind = strike_kind::limit;
    what.at = context.now;
    what.digest = d.subject + ' ' + d.reference;
    what.reference = d.reference;
    in_background(strike_job(context.locks, context.who.account, std::move(what), context.profile.lock));
}

// The one place where policyd.on_error is applied.
decision pipeline::trouble(const config::settings& settings, const request& what, std::string_view where,
                           const failure& why) {
    ++counts_.trouble;
    ++counters::of(counts_.decided, reason::state_unavailable);
    const bool defer = settings.policyd.on_error == config::error_policy::defer;
    log::warning("state trouble")
        .kv("where", where)
        .kv("why", why.message())
        .kv("on_error", defer ? "defer" : "dunno")
        .kv("stage", to_string(what.at))
        .kv("login", what.sasl_username)
        .kv("client", what.client_address)
        .kv("instance", what.instance);
    if (!defer) {
        return {};
    }
    return refuse(refusal_code::defer_trouble, reason::state_unavailable, {},
                  "the policy service has a temporary problem; try again later");
}

decision pipeline::ticket_for(const request& what, std::string_view account, std::string_view login) {
    account::ticket t;
    t.account = account;
    t.login = login;
    t.client = what.client_address;
    t.instance = what.instance;
    t.queue_id = what.queue_id.empty() ? std::string_view{"-"} : what.queue_id;
    t.recipients = what.recipient_count;
    t.issued = with_.time.now();
    auto sealed = with_.tickets.seal(t);
    if (!sealed || sealed->size() > max_prepended) {
        ++counts_.tickets_failed;
        log::error("no ticket issued")
            .kv("account", account)
            .kv("queue_id", what.queue_id)
            .kv("why", sealed ? "it would not fit in a header line" : sealed.error().message());
        return {};
    }
    ++counts_.tickets;
    decision d;
    d.kind = decision_kind::prepend;
    d.header = account::ticket_header;
    d.text = std::move(*sealed);
    return d;
}

} // namespace postsluice::policyd
