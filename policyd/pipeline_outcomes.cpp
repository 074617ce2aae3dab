// SPDX-License-Identifier: Apache-2.0
// What comes of an answer: events, references, log lines, on_error, tickets; strikes are in strikes.cpp.
#include "policyd/pipeline.hpp"

#include "shared/log/log.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>

namespace postsluice::policyd {

namespace asio = boost::asio;

namespace {

void log_refusal(const rule_context& context, const decision& d) {
    const bool refused = d.refuses();
    const char* const did = context.observe                 ? (refused ? "would refuse" : "would hold or warn")
                            : refused                       ? "refused"
                            : d.kind == decision_kind::hold ? "held"
                                                            : "warned";
    log::info(did)
        .kv("reason", to_string(d.why))
        .kv("rule", d.rule)
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
    event.rule = d.rule;
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
    if (!context.observe) {
        strikes_.refused(context, d);
    }
}

asio::awaitable<void> pipeline::note(asio::awaitable<result<void>> what) {
    const auto done = co_await std::move(what);
    if (!done) {
        ++counts_.trouble;
        log::warning("trend not noted").kv("why", done.error().message());
    }
}

// The one place where policyd.on_error and on_error_of are applied. `where`: a rule, or what of ours failed.
decision pipeline::trouble(const config::settings& settings, const request& what, std::string_view where,
                           const failure& why) {
    ++counts_.trouble;
    ++counters::of(counts_.decided, reason::state_unavailable);
    const auto own = settings.policyd.on_error_of.find(std::string{where});
    const auto policy = own == settings.policyd.on_error_of.end() ? settings.policyd.on_error : own->second;
    const bool defer = policy == config::error_policy::defer;
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

decision pipeline::ticket_for(const request& what, std::string_view account, std::string_view login,
                              std::optional<std::uint32_t> new_recipients) {
    account::ticket t;
    t.account = account;
    t.login = login;
    t.client = what.client_address;
    t.instance = what.instance;
    t.queue_id = what.queue_id.empty() ? std::string_view{"-"} : what.queue_id;
    if (what.queue_id.empty()) { // before the queue; as begin() names the transaction
        t.server.append(what.server_address).append(1, ':').append(what.server_port);
        t.new_recipients = new_recipients;
    }
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
