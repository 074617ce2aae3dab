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

void fill_limits(std::vector<state::counted_limits>& out, const limit_plan& plan, const rule_context& context) {
    if (plan.of_account_only) {
        count_under_account(out, plan, context.who.account);
        return;
    }
    const auto sender = mail_address::from_internal(context.what.sender);
    out = counted_under(plan, context.settings, {context.who, context.what.client_address, sender});
}

// Only what a limit asks for is made a text of. `recipient`: its key; empty: there is none.
void fill_facts(state::counted_facts& facts, const limit_plan& plan, const rule_context& context,
                std::string_view recipient) {
    const auto& what = context.what;
    assign_key(facts.sender, what.sender);
    facts.size = what.size;
    facts.client_address.clear();
    facts.client_network.clear();
    if (plan.counts(limit_unit::client_addresses)) facts.client_address = what.client_address;
    if (plan.counts(limit_unit::client_networks)) {
        const auto network = account::network_of(what.client_address);
        if (network) facts.client_network = network->to_string();
    }
    const auto at = recipient.rfind('@');
    facts.recipient_domain = at == std::string_view::npos ? std::string_view{} : recipient.substr(at + 1);
    facts.external = plan.counts(limit_unit::external_recipients) && !facts.recipient_domain.empty() &&
                     is_external(context.settings, facts.recipient_domain);
}

// What both requests have in common.
template <class Request>
void fill(Request& ask, const rule_context& context, std::string_view recipient) {
    ask.id = context.current.id;
    ask.connection = context.connection;
    ask.account = context.who.account;
    ask.observe = context.observe;
    ask.final_at_once = final_at_rcpt(context);
    const auto plan = plan_of(context);
    fill_limits(ask.limits, *plan, context);
    fill_facts(ask.facts, *plan, context, recipient);
}

} // namespace

boost::asio::awaitable<result<void>> count_invalid_recipient(const rule_context& context) {
    state::invalid_request ask;
    ask.id = context.current.id;
    ask.connection = context.connection;
    assign_key(ask.recipient, context.what.recipient);
    fill_limits(ask.limits, *plan_of(context), context);
    context.current.reserved = true; // its record goes with the transaction
    co_return co_await context.accounts.count_invalid(std::move(ask));
}

// Also where there are none: what a transaction was asked about is remembered.
rule_answer limits(const rule_context& context) {
    auto& ask = context.current.asks.admit;
    assign_key(ask.recipient, context.what.recipient);
    fill(ask, context, ask.recipient);
    const bool before = std::exchange(context.current.reserved, true); // whatever comes of it, an abort is safe
    const auto answer = context.accounts.admit_at_once(ask);
    if (!answer) {
        return answer.error();
    }
    context.current.uncommitted = true;
    const bool refused = answer->breach && state::refuses(answer->breach->what.then);
    if (refused && !context.observe) {
        // With a queue ID recipients were accepted before: then whoever spoke last owns what they reserved.
        context.current.reserved = before || !context.what.queue_id.empty();
        return decide(*answer->breach, context.now);
    }
    context.current.counted = true;
    context.current.reserved = before || !final_at_rcpt(context);
    if (answer->breach) {
        return decide(*answer->breach, context.now);
    }
    return decision{};
}

rule_answer limits_at_data(const rule_context& context) {
    const auto mode = context.settings.policyd.accounting;
    auto& ask = context.current.asks.data;
    fill(ask, context, {});
    ask.queue_id = context.what.queue_id;
    ask.recipient_count = context.what.recipient_count - std::min(context.what.recipient_count, context.current.exempt);
    ask.settles = mode != config::accounting_mode::end_of_message;
    context.current.reserved = true;
    const bool settles = ask.settles;
    const auto answer = context.accounts.data_at_once(ask);
    if (!answer) {
        return answer.error();
    }
    context.current.uncommitted = true;
    const bool refused = answer->breach && state::refuses(answer->breach->what.then);
    context.current.reserved = !settles || (refused && !context.observe);
    context.current.refused_by_others = answer->refunded;
    if (answer->breach) {
        return decide(*answer->breach, context.now);
    }
    return decision{};
}

} // namespace postsluice::policyd::rules
