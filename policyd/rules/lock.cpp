// SPDX-License-Identifier: Apache-2.0
// May this account send at all? A lock says until when, and what brought it about where no person did: an operator's
// words are for operators.
#include "policyd/rules/rule.hpp"

namespace postsluice::policyd::rules {

rule_answer lock(const rule_context& context) {
    const auto recorded = context.locks.read(context.who.account);
    if (!recorded) {
        return recorded.error();
    }
    if (!recorded->has_value() || !is_locked(**recorded, context.now)) {
        return decision{};
    }
    const lock_state& state = **recorded;
    std::string text = context.who.account + " is locked ";
    text += state.kind == lock_kind::timed ? "until " + to_iso8601(state.until) : "until a person unlocks it";
    if (state.kind != lock_kind::manual && !state.cause.empty()) {
        text += " (" + state.cause + ')';
    }
    const auto code = context.profile.when_locked == config::locked_reply::reject ? refusal_code::reject_policy
                                                                                  : refusal_code::defer_policy;
    return refuse(code, reason::account_locked, "locked since " + to_iso8601(state.since), std::move(text));
}

} // namespace postsluice::policyd::rules
