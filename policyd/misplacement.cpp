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

misplacement::seen misplacement::since(const hook& now, seen& before) {
    return {now.rcpt - std::exchange(before.rcpt, now.rcpt), now.data - std::exchange(before.data, now.data),
            now.data_alone - std::exchange(before.data_alone, now.data_alone),
            now.end_of_message - std::exchange(before.end_of_message, now.end_of_message)};
}

void misplacement::look_at_stages(const config::settings& settings, const hook_table& hooks) {
    const bool needs_end =
        settings.policyd.accounting == config::accounting_mode::end_of_message || has_byte_limit(settings);
    for (const auto& one : hooks.all()) {
        const auto hour = since(*one, hooks_[one.get()]);
        const auto complain = [&](std::string_view what, std::uint64_t messages) {
            log::warning(what)
                .kv("server_port", one->server_port)
                .kv("policy_context", one->policy_context)
                .kv("messages", messages);
        };
        if (needs_end && hour.data >= enough && hour.end_of_message == 0) {
            complain("END-OF-MESSAGE was not asked in the last hour: what is counted becomes final late, and limits in "
                     "bytes count nothing; add check_policy_service to smtpd_end_of_data_restrictions (postsluice "
                     "doctor)",
                     hour.data);
        }
        // Where main.cf names us in other words at each stage, Postfix asks over other connections, and all are alone.
        const bool told_apart = hour.data_alone < hour.data || hour.rcpt == 0;
        if (told_apart && hour.data_alone >= enough) {
            complain("messages of the last hour were asked about at DATA, but none of their recipients: a permit "
                     "(permit_mynetworks, permit_sasl_authenticated) stands before check_policy_service in "
                     "smtpd_recipient_restrictions (postsluice doctor)",
                     hour.data_alone);
        }
    }
}

} // namespace postsluice::policyd
