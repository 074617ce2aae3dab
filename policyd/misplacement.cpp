// SPDX-License-Identifier: Apache-2.0
#include "policyd/misplacement.hpp"

#include "shared/log/log.hpp"

#include <utility>

namespace postsluice::policyd {

namespace {

bool has_byte_limit(const config::settings& settings) {
    for (const auto& [name, profile] : settings.profiles) {
        for (const auto& one : profile->limits) {
            if (one.unit == limit_unit::bytes && one.count != limit::unlimited) {
                return true;
            }
        }
    }
    return false;
}

} // namespace

void misplacement::look(instant now, const config::settings& settings, const counters& counts,
                        const hook_table& hooks) {
    if (looked_ == instant{}) {
        looked_ = now; // the first hour begins
        return;
    }
    if (now - looked_ < every) {
        return;
    }
    looked_ = now;
    look_at_logins(counts);
    look_at_stages(settings, hooks);
}

// Clients that are accounts by their network or certificate have no login: only where nobody was ours it is a sign.
void misplacement::look_at_logins(const counters& counts) {
    const auto not_ours_total = counts.decided[static_cast<std::size_t>(reason::not_ours)];
    const auto rcpt = counts.rcpt - std::exchange(rcpt_, counts.rcpt);
    const auto with_login = counts.with_login - std::exchange(with_login_, counts.with_login);
    const auto not_ours = not_ours_total - std::exchange(not_ours_, not_ours_total);
    if (rcpt < enough || with_login > 0 || not_ours < rcpt) {
        return;
    }
    log::warning("no request of the last hour had a SASL login or came from an account's network: nobody is limited; "
                 "check_policy_service belongs into the services where users log in (postsluice doctor)")
        .kv("requests", rcpt);
}

void misplacement::look_at_stages(const config::settings& settings, const hook_table& hooks) {
    const bool needed =
        settings.policyd.accounting == config::accounting_mode::end_of_message || has_byte_limit(settings);
    for (const auto& one : hooks.all()) {
        auto& before = hooks_[one.get()];
        const auto data = one->data - std::exchange(before.data, one->data);
        const auto ends = one->end_of_message - std::exchange(before.end_of_message, one->end_of_message);
        if (!needed || data < enough || ends > 0) {
            continue;
        }
        log::warning(
            "END-OF-MESSAGE was not asked in the last hour: what is counted becomes final late, and limits in bytes "
            "count nothing; add check_policy_service to smtpd_end_of_data_restrictions (postsluice doctor)")
            .kv("server_port", one->server_port)
            .kv("policy_context", one->policy_context)
            .kv("messages", data);
    }
}

} // namespace postsluice::policyd
