// SPDX-License-Identifier: Apache-2.0
// May this account send without an envelope sender (MAIL FROM:<>)? Mail programs send receipts so (RFC 8098), and
// vacation replies; senders of spam do too, since no FROM rule and no bounce meets them. `null_sender` of the profile:
// "allow"; "limit", only where the profile limits null-sender messages; "reject". Refused with 550 5.7.1.
#include "policyd/rules/rule.hpp"

#include <algorithm>

namespace postsluice::policyd::rules {

rule_answer null_sender(const rule_context& context) {
    using policy = config::null_sender_policy;
    const auto& profile = context.profile;
    if (!context.what.sender.empty() || profile.null_sender == policy::allow) {
        return decision{};
    }
    const bool limited = std::ranges::any_of(profile.limits, [](const auto& l) {
        return l.unit == limit_unit::null_sender_messages && l.count != postsluice::limit::unlimited;
    });
    if (profile.null_sender == policy::limit && limited) {
        return decision{};
    }
    return refuse(refusal_code::reject_policy, reason::null_sender_forbidden, "<>",
                  "this account may not send without a sender address (<>)");
}

} // namespace postsluice::policyd::rules
