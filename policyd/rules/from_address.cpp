// SPDX-License-Identifier: Apache-2.0
// May this account use the envelope sender it names? `from =` of the profile: "own-address", "own-domain", "any", a
// list of addresses ("user@example.org"), domains ("@example.org", "@*.example.org") and maps, or one map. Maps are
// asked as Postfix asks smtpd_sender_login_maps (sender_permission.hpp); the list's addresses and domains come first. A
// stolen or careless account can so not write under another's name. The reply, 550 5.7.1, says what the account may
// use. The null sender passes here: null_sender asks about it. A map that cannot be asked is on_error's.
#include "policyd/rules/rule.hpp"
#include "shared/account/sender_permission.hpp"

namespace postsluice::policyd::rules {

namespace {

account::sender_question question_of(const rule_context& context) {
    return {context.settings, context.profile, context.who, context.helpers.maps};
}

rule_answer answer_for(const rule_context& context, const mail_address& sender, const result<bool>& allowed) {
    if (!allowed) {
        return allowed.error();
    }
    if (*allowed) {
        return decision{};
    }
    std::string key = sender.key();
    std::string text = account::describe_allowed(context.profile, context.who) + ", not as " + key;
    return refuse(refusal_code::reject_policy, reason::from_forbidden, std::move(key), std::move(text));
}

} // namespace

bool from_address_waits(const rule_context& context) noexcept {
    return account::permission_waits(context.profile);
}

rule_answer from_address(const rule_context& context) {
    if (context.profile.from.what == config::from_rule::kind::any) {
        return decision{};
    }
    const auto sender = mail_address::from_internal(context.what.sender);
    return answer_for(context, sender, account::sender_permission(question_of(context), sender));
}

boost::asio::awaitable<rule_answer> from_address_waiting(const rule_context& context) {
    const auto sender = mail_address::from_internal(context.what.sender);
    const auto ask = question_of(context);
    const auto allowed = co_await account::sender_permission_waiting(ask, sender);
    co_return answer_for(context, sender, allowed);
}

} // namespace postsluice::policyd::rules
