// SPDX-License-Identifier: Apache-2.0
// May this account use the envelope sender it names? (`from =` of the profile; semantics of smtpd_sender_login_maps.)
#include "policyd/rules/rule.hpp"

namespace postsluice::policyd::rules {

rule_answer from_address(const rule_context& context) {
    if (context.profile.from.what == config::from_rule::kind::any) {
        return decision{};
    }
    const auto sender = mail_address::from_internal(context.what.sender);
    if (account::may_use(context.profile, context.who, sender)) {
        return decision{};
    }
    std::string key = sender.key();
    std::string text = account::describe_allowed(context.profile, context.who) + ", not as " + key;
    return refuse(refusal_code::reject_policy, reason::from_forbidden, std::move(key), std::move(text));
}

} // namespace postsluice::policyd::rules
