// SPDX-License-Identifier: Apache-2.0
// Does it fit under the limits of the account, and of the domain, customer, client, sender and server that it counts
// under? Asked last, since asking charges: one recipient, and with the first one message. The reply says the limit, its
// use and the time after which one more fits; a client that comes back then passes. What a limit does is its `then`:
// defer (450), reject (550), lock (450; the strikes lock), hold and warn (accepted, counted). A message larger than a
// limit per message is refused for good whatever `then` defers: it never fits.
#include "policyd/limit_book.hpp"
#include "policyd/rules/rule.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <utility>

namespace postsluice::policyd::rules {

namespace {

std::string say(const state::limit_breach& breach, instant now) {
    const auto& what = breach.what;
    if (what.period.count() == 0 && what.unit == limit_unit::bytes)
        return "the message has " + say_amount(what.unit, breach.used) + "; at most " + to_string(what) +
               " are allowed";
    std::string text = say_amount(what.unit, breach.used) + " of " + to_string(what) + " used; ";
    if (what.count == 0) return text + "none are allowed";
    if (what.period.count() == 0) return text + "send to the others in another message";
    // Rounded up: a retry at the stated time passes.
    const auto wait = std::chrono::ceil<seconds>(breach.frees > now ? breach.frees - now : milliseconds{});
    return text + "next in " + std::to_string(wait.count()) + " s";
}

// What the client may know of a limit: neither its action nor its exceptions.
state::limit_breach in_public(state::limit_breach breach) {
    breach.what.then = limit_action::defer;
    breach.what.except_to.clear();
    return breach;
}

decision decide(const state::limit_breach& breach, instant now) {
    std::string text = say(in_public(breach), now);
    const bool never_fits = breach.what.period.count() == 0 && breach.what.unit == limit_unit::bytes;
    switch (breach.what.then) {
    case limit_action::hold:
    case limit_action::warn: {
        decision out;
        out.kind = breach.what.then == limit_action::hold ? decision_kind::hold : decision_kind::warn;
        out.why = reason::limit;
        out.subject = subject(breach.what);
        out.text = std::move(text);
        return out;
    }
    case limit_action::reject:
        return refuse(refusal_code::reject_policy, reason::limit, subject(breach.what), std::move(text));
    case limit_action::defer:
    case limit_action::lock:
        break;
    }
    const auto code = never_fits ? refusal_code::reject_policy : refusal_code::defer_policy;
    return refuse(code, reason::limit, subject(breach.what), std::move(text));
}

bool final_at_rcpt(const rule_context& context) noexcept {
    return context.settings.policyd.accounting == config::accounting_mode::recipient;
}

bool is_external(const config::settings& settings, std::string_view domain) noexcept {
    return std::none_of(settings.local_domains.begin(), settings.local_domains.end(), [&](const std::string& local) {
        if (!local.starts_with("*.")) return iequals(local, domain);
        const auto suffix = std::string_view{local}.substr(1);
        return domain.size() > suffix.size() && iequals(domain.substr(domain.size() - suffix.size()), suffix);
    });
}

struct asked {
    std::vector<state::counted_limits> limits;
    state::counted_facts facts;
};

// Only what a limit asks for is made a text of.
asked ask_of(const rule_context& context, const mail_address* recipient) {
    const auto plan = context.helpers.limits != nullptr
                          ? context.helpers.limits->plan(context.profile, context.who.account, context.now)
                          : make_plan(context.profile.limits);
    const auto sender = mail_address::from_internal(context.what.sender);
    asked out{counted_under(*plan, context.settings, {context.who, context.what.client_address, sender}), {}};
    auto& facts = out.facts;
    if (!context.what.sender.empty()) facts.sender = sender.key();
    facts.size = context.what.size;
    if (plan->counts(limit_unit::client_addresses)) facts.client_address = context.what.client_address;
    if (plan->counts(limit_unit::client_networks)) {
        const auto network = account::network_of(context.what.client_address);
        if (network) facts.client_network = network->to_string();
    }
    if (recipient != nullptr) {
        facts.recipient_domain = recipient->domain;
        facts.external = plan->counts(limit_unit::external_recipients) && !recipient->domain.empty() &&
                         is_external(context.settings, recipient->domain);
    }
    return out;
}

} // namespace

boost::asio::awaitable<result<void>> count_invalid_recipient(const rule_context& context) {
    state::invalid_request ask;
    ask.id = context.current.id;
    ask.connection = context.connection;
    const auto recipient = mail_address::from_internal(context.what.recipient);
    ask.recipient = recipient.key();
    ask.limits = ask_of(context, nullptr).limits;
    context.current.reserved = true; // its record goes with the transaction
    co_return co_await context.accounts.count_invalid(std::move(ask));
}

// Also where there are none: what a transaction was asked about is remembered.
bool limits_asks(const rule_context&) noexcept {
    return true;
}

boost::asio::awaitable<rule_answer> limits(const rule_context& context) {
    state::admit_request ask;
    ask.id = context.current.id;
    ask.connection = context.connection;
    ask.account = context.who.account;
    const auto recipient = mail_address::from_internal(context.what.recipient);
    ask.recipient = recipient.key();
    auto under = ask_of(context, &recipient);
    ask.limits = std::move(under.limits);
    ask.facts = std::move(under.facts);
    ask.observe = context.observe;
    ask.final_at_once = final_at_rcpt(context);
    const bool before = std::exchange(context.current.reserved, true); // whatever comes of it, an abort is safe
    const auto answer = co_await context.accounts.admit(std::move(ask));
    if (!answer) {
        co_return answer.error();
    }
    const bool refused = answer->breach && state::refuses(answer->breach->what.then);
    if (refused && !context.observe) {
        // With a queue ID recipients were accepted before: then whoever spoke last owns what they reserved.
        context.current.reserved = before || !context.what.queue_id.empty();
        co_return decide(*answer->breach, context.now);
    }
    context.current.counted = true;
    context.current.reserved = before || !final_at_rcpt(context);
    if (answer->breach) {
        co_return decide(*answer->breach, context.now);
    }
    co_return decision{};
}

boost::asio::awaitable<rule_answer> limits_at_data(const rule_context& context) {
    const auto mode = context.settings.policyd.accounting;
    state::data_request ask;
    ask.id = context.current.id;
    ask.connection = context.connection;
    ask.account = context.who.account;
    ask.queue_id = context.what.queue_id;
    ask.recipient_count = context.what.recipient_count - std::min(context.what.recipient_count, context.current.exempt);
    auto under = ask_of(context, nullptr);
    ask.limits = std::move(under.limits);
    ask.facts = std::move(under.facts);
    ask.observe = context.observe;
    ask.settles = mode != config::accounting_mode::end_of_message;
    ask.final_at_once = final_at_rcpt(context);
    context.current.reserved = true;
    const bool settles = ask.settles;
    const auto answer = co_await context.accounts.data(std::move(ask));
    if (!answer) {
        co_return answer.error();
    }
    const bool refused = answer->breach && state::refuses(answer->breach->what.then);
    context.current.reserved = !settles || (refused && !context.observe);
    context.current.refused_by_others = answer->refunded;
    if (answer->breach) {
        co_return decide(*answer->breach, context.now);
    }
    co_return decision{};
}

} // namespace postsluice::policyd::rules
