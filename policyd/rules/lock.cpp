// SPDX-License-Identifier: Apache-2.0
// May this account send at all, or is it locked, or its domain, its customer, the client's address or network, the
// sender it uses? The reply says what of these is locked and until when, and, of the account's own lock, what brought
// it about where no person did: an operator's words are for operators, and what other accounts of a domain did is no
// business of this one. A customer is not named: what operators call them is theirs.
#include "policyd/rules/rule.hpp"
#include "shared/account/locks.hpp"

namespace postsluice::policyd::rules {

namespace {

std::string name_of(const account::lock_found& found) {
    switch (found.scope) {
    case limit_scope::account:
        return found.key;
    case limit_scope::customer:
        return "the customer that this account belongs to";
    default:
        return account::describe_subject(found.key);
    }
}

std::string reply_text(const account::lock_found& found) {
    const lock_state& lock = found.lock;
    std::string text = name_of(found) + " is locked ";
    text += times_out(lock) ? "until " + to_iso8601(lock.until) : "until a person unlocks it";
    const bool own = found.scope == limit_scope::account && lock.kind != lock_kind::manual;
    if (own && !lock.cause.empty()) text += " (" + lock.cause + ')';
    return text;
}

} // namespace

rule_answer lock(const rule_context& context) {
    const auto locks = context.locks.locks();
    if (!locks) {
        return locks.error();
    }
    if ((*locks)->idle()) {
        return decision{};
    }
    const auto sender = mail_address::from_internal(context.what.sender);
    const auto found =
        account::find_lock(context.settings, {context.who, context.what.client_address, sender}, **locks, context.now);
    if (!found) {
        return found.error();
    }
    if (!*found) {
        return decision{};
    }
    const auto code = context.profile.when_locked == config::locked_reply::reject ? refusal_code::reject_policy
                                                                                  : refusal_code::defer_policy;
    const auto what = (*found)->scope == limit_scope::account ? std::string{} : (*found)->key + ' ';
    return refuse(code, reason::account_locked, what + "locked since " + to_iso8601((*found)->lock.since),
                  reply_text(**found));
}

} // namespace postsluice::policyd::rules
