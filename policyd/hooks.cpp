// SPDX-License-Identifier: Apache-2.0
#include "policyd/hooks.hpp"

#include "shared/log/log.hpp"

#include <algorithm>

namespace postsluice::policyd {
namespace {

/// As Postfix makes them without enable_long_queue_ids: hexadecimal digits. A long one has a 'z' in it (postconf(5)).
bool is_short(std::string_view queue_id) {
    return !queue_id.empty() &&
           std::ranges::all_of(queue_id, [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); });
}

} // namespace

hook& hook_table::at(std::string_view server_port, std::string_view policy_context) {
    for (const auto& known : all_) { // one or two in practice
        if (known->server_port == server_port && known->policy_context == policy_context) {
            return *known;
        }
    }
    if (all_.size() >= most) {
        return *all_.back();
    }
    all_.push_back(std::make_unique<hook>());
    all_.back()->server_port = server_port;
    all_.back()->policy_context = policy_context;
    return *all_.back();
}

void hook_table::saw_data(hook& where, bool announced, std::string_view queue_id) {
    ++where.data;
    where.data_alone += announced ? 0 : 1;
    if (!is_short(queue_id) || where.warned_short) {
        return;
    }
    where.warned_short = true;
    log::warning(
        "queue IDs are short: Postfix uses them again, and tickets are told by them; set enable_long_queue_ids = "
        "yes in main.cf (postsluice doctor)")
        .kv("server_port", where.server_port)
        .kv("policy_context", where.policy_context)
        .kv("queue_id", queue_id);
}

void hook_table::saw_end_of_message(hook& where, config::accounting_mode mode) {
    ++where.end_of_message;
    if (mode == config::accounting_mode::data && !where.warned_unused) {
        where.warned_unused = true;
        log::warning(
            "END-OF-MESSAGE is asked but policyd.accounting is \"data\": messages that fail after DATA stay charged; "
            "\"end-of-message\" would be exact")
            .kv("server_port", where.server_port)
            .kv("policy_context", where.policy_context);
    }
}

void hook_table::transaction_over(hook& where, bool data, bool ended, config::accounting_mode mode) {
    if (!data || ended) {
        return;
    }
    ++where.unfinished;
    if (mode == config::accounting_mode::end_of_message && where.end_of_message == 0 &&
        where.unfinished >= certain_after && !where.warned_missing) {
        where.warned_missing = true;
        log::warning(
            "END-OF-MESSAGE is never asked: add check_policy_service to smtpd_end_of_data_restrictions, or set "
            "policyd.accounting to \"data\"")
            .kv("server_port", where.server_port)
            .kv("policy_context", where.policy_context)
            .kv("messages", where.unfinished);
    }
}

} // namespace postsluice::policyd
