// SPDX-License-Identifier: Apache-2.0
// Does it fit under the account's limits? Asked last, since asking charges: one recipient, and with the first one
// message. The reply says the limit, its use and the time after which one more fits; a client that comes back then
// passes.
#include "policyd/rules/rule.hpp"

#include <algorithm>
#include <utility>

namespace postsluice::policyd::rules {

namespace {

decision refuse_breach(const state::limit_breach& breach, instant now) {
    // Rounded up: a retry at the stated time passes.
    const auto wait = std::chrono::ceil<seconds>(breach.frees > now ? breach.frees - now : milliseconds{});
    std::string text = std::to_string(breach.used) + " of " + to_string(breach.what) + " used; ";
    if (breach.what.count == 0) {
        text += "none are allowed";
    } else {
        text += "next in " + std::to_string(wait.count()) + " s";
    }
    return refuse(refusal_code::defer_policy, reason::limit, subject(breach.what), std::move(text));
}

bool final_at_rcpt(const rule_context& context) noexcept {
    return context.settings.policyd.accounting == config::accounting_mode::recipient;
}

std::vector<state::counted_limits> limits_for(const rule_context& context) {
    std::vector<state::counted_limits> all;
    all.push_back(limits_of(context.profile, context.who.account));
    return all;
}

} // namespace

state::counted_limits limits_of(const config::profile& profile, std::string_view account) {
    state::counted_limits out;
    out.key.reserve(8 + account.size());
    out.key.append("account:").append(account);
    out.limits = profile.limits;
    return out;
}

boost::asio::awaitable<rule_answer> limits(const rule_context& context) {
    state::admit_request ask;
    ask.id = context.current.id;
    ask.connection = context.connection;
    ask.account = context.who.account;
    ask.recipient = mail_address::from_internal(context.what.recipient).key();
    ask.limits = limits_for(context);
    ask.observe = context.observe;
    ask.final_at_once = final_at_rcpt(context);
    const bool before = std::exchange(context.current.reserved, true); // whatever comes of it, an abort is safe
    const auto answer = co_await context.accounts.admit(std::move(ask));
    if (!answer) {
        co_return answer.error();
    }
    if (answer->breach && !context.observe) {
        // With a queue ID recipients were accepted before: then whoever spoke last owns what they reserved.
        context.current.reserved = before || !context.what.queue_id.empty();
        co_return refuse_breach(*answer->breach, context.now);
    }
    context.current.counted = true;
    context.current.reserved = before || !final_at_rcpt(context);
    if (answer->breach) {
        co_return refuse_breach(*answer->breach, context.now);
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
    ask.limits = limits_for(context);
    ask.observe = context.observe;
    ask.settles = mode != config::accounting_mode::end_of_message;
    ask.final_at_once = final_at_rcpt(context);
    context.current.reserved = true;
    const bool settles = ask.settles;
    const auto answer = co_await context.accounts.data(std::move(ask));
    if (!answer) {
        co_return answer.error();
    }
    context.current.reserved = !settles || (answer->breach && !context.observe);
    context.current.refused_by_others = answer->refunded;
    if (answer->breach) {
        co_return refuse_breach(*answer->breach, context.now);
    }
    co_return decision{};
}

} // namespace postsluice::policyd::rules
