// SPDX-License-Identifier: Apache-2.0
// May this account send without an envelope sender (MAIL FROM:<>)? Mail programs send receipts so (RFC 8098), and
// vacation replies; senders of spam do too, since no FROM rule and no bounce meets them. `null_sender` of the profile:
// "allow"; "limit", only where the account has a limit on null-sender messages; "reject". Refused with 550 5.7.1.
#include "policyd/limit_book.hpp"
#include "policyd/rules/rule.hpp"

#include <algorithm>

namespace postsluice::policyd::rules {

rule_answer null_sender(const rule_context& context) {
    using policy = config::null_sender_policy;
    const auto said = context.profile.null_sender;
    if (!context.what.sender.empty() || said == policy::allow) {
        return decision{};
    }
    const bool limited =
        said == policy::limit && std::ranges::any_of(plan_of(context)->all, [](const auto& l) {
            return l.unit == limit_unit::null_sender_messages && l.count != postsluice::limit::unlimited;
        });
    if (limited) {
        return decision{};
    }
    return refuse(refusal_code::reject_policy, reason::null_sender_forbidden, "<>",
                  "this account may not send without a sender address (<>)");
}

} // namespace postsluice::policyd::rules
