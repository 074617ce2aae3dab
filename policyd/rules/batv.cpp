// SPDX-License-Identifier: Apache-2.0
// Does a bounce answer mail that this server sent? Asked of clients that are no account of ours, where the reverse-path
// is empty: a recipient in one of batv.domains must carry a valid tag (auth/batv.hpp), or it is refused for good. Who
// gets no tag, or is exempt, is not asked. Incidents are told by domain, since whoever forges bounces takes any
// address.
#include "shared/auth/batv.hpp"
#include "policyd/rules/rule.hpp"

namespace postsluice::policyd::rules {

namespace {

std::string_view explain(auth::batv_verdict verdict) noexcept {
    switch (verdict) {
    case auth::batv_verdict::untagged:
        return "carries no tag";
    case auth::batv_verdict::expired:
        return "carries a tag that has expired";
    default:
        return "carries a tag that is not ours";
    }
}

} // namespace

rule_answer batv(const rule_context& context) {
    if (context.settings.batv.domains.empty() || !context.what.sender.empty() || context.helpers.batv == nullptr) {
        return decision{};
    }
    const auto recipient = mail_address::from_internal(context.what.recipient);
    const auto verdict = context.helpers.batv->check(recipient, context.now);
    if (!verdict) {
        return verdict.error();
    }
    if (*verdict == auth::batv_verdict::not_asked || *verdict == auth::batv_verdict::valid) {
        return decision{};
    }
    std::string text{"this bounce answers no mail of ours: its recipient "};
    text += explain(*verdict);
    std::string subject{to_string(*verdict)};
    return refuse(refusal_code::reject_policy, reason::bounce_forged, subject + ' ' + recipient.domain,
                  std::move(text));
}

} // namespace postsluice::policyd::rules
