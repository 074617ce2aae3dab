// SPDX-License-Identifier: Apache-2.0
// Is the envelope sender or the recipient on a block list? `blocked_senders` and `blocked_recipients` of the profile:
// addresses, domains and maps. Maps are asked as Postfix asks check_sender_access (access(5)); OK and DUNNO mean no,
// any other value means yes. What is blocked is refused with 550 5.7.1 whatever `from` allows.
#include "policyd/rules/rule.hpp"
#include "shared/account/sender_permission.hpp"

namespace postsluice::policyd::rules {

namespace {

rule_answer answer_for(const mail_address& address, const result<bool>& blocked, reason why) {
    if (!blocked) {
        return blocked.error();
    }
    if (!*blocked) {
        return decision{};
    }
    std::string key = address.is_null() ? "<>" : address.key();
    std::string text =
        "mail " + std::string{why == reason::sender_blocked ? "from " : "to "} + key + " is not accepted here";
    return refuse(refusal_code::reject_policy, why, std::move(key), std::move(text));
}

bool passes(const rule_answer& answer) noexcept {
    return answer && !answer->refuses();
}

} // namespace

bool blocked_waits(const rule_context& context) noexcept {
    return maps::any_remote(context.profile.blocked_senders) || maps::any_remote(context.profile.blocked_recipients);
}

rule_answer blocked(const rule_context& context) {
    const auto& profile = context.profile;
    if (!profile.blocked_senders.empty()) {
        const auto sender = mail_address::from_internal(context.what.sender);
        auto answer = answer_for(
            sender, account::is_blocked(profile.blocked_senders, context.settings, context.helpers.maps, sender),
            reason::sender_blocked);
        if (!passes(answer)) {
            return answer;
        }
    }
    if (profile.blocked_recipients.empty()) {
        return decision{};
    }
    const auto recipient = mail_address::from_internal(context.what.recipient);
    return answer_for(
        recipient, account::is_blocked(profile.blocked_recipients, context.settings, context.helpers.maps, recipient),
        reason::recipient_blocked);
}

boost::asio::awaitable<rule_answer> blocked_waiting(const rule_context& context) {
    const auto& profile = context.profile;
    const auto sender = mail_address::from_internal(context.what.sender);
    const auto by_sender =
        co_await account::is_blocked_waiting(profile.blocked_senders, context.settings, context.helpers.maps, sender);
    auto answer = answer_for(sender, by_sender, reason::sender_blocked);
    if (!passes(answer)) {
        co_return answer;
    }
    const auto recipient = mail_address::from_internal(context.what.recipient);
    const auto by_recipient = co_await account::is_blocked_waiting(profile.blocked_recipients, context.settings,
                                                                   context.helpers.maps, recipient);
    co_return answer_for(recipient, by_recipient, reason::recipient_blocked);
}

} // namespace postsluice::policyd::rules
