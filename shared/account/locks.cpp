// SPDX-License-Identifier: Apache-2.0
#include "shared/account/locks.hpp"

#include <algorithm>
#include <array>

namespace postsluice::account {

namespace {

struct scope_row {
    limit_scope scope;
    std::string_view prefix; ///< of its keys
    std::string_view words;
};

constexpr std::array scopes{
    scope_row{limit_scope::domain, "domain:", "the domain "},
    scope_row{limit_scope::customer, "customer:", "the customer "},
    scope_row{limit_scope::client_address, "client:", "the client address "},
    scope_row{limit_scope::client_network, "network:", "the client network "},
    scope_row{limit_scope::sender_address, "sender:", "the sender "},
    scope_row{limit_scope::sender_domain, "sender-domain:", "the sender domain "},
};

const scope_row* row_of(std::string_view key) noexcept {
    const auto* const at =
        std::find_if(scopes.begin(), scopes.end(), [key](const auto& row) { return key.starts_with(row.prefix); });
    return at == scopes.end() ? nullptr : at;
}

/// An operator may lock any network; the key that a limit counts under is only one of those the client is in.
std::optional<lock_found> network_lock(const scope_facts& facts, const state::lock_set& locks, instant now) {
    const auto address = ip_address::parse(facts.client_address);
    const auto* const found = address ? locks.network_around(*address, now) : nullptr;
    if (found == nullptr) return std::nullopt;
    return lock_found{found->account, limit_scope::client_network, found->lock};
}

} // namespace

result<std::optional<lock_found>> find_lock(const config::settings& settings, const scope_facts& facts,
                                            const state::lock_set& locks, instant now) {
    std::optional<failure> unreadable;
    const auto ask = [&](limit_scope scope, const std::string& key) -> std::optional<lock_found> {
        const auto lock = locks.find(key);
        if (!lock) unreadable = lock.error();
        if (!lock || *lock == nullptr || !is_locked(**lock, now)) return std::nullopt;
        return lock_found{key, scope, **lock};
    };
    if (auto own = ask(limit_scope::account, facts.who.account)) return own;
    if (locks.accounts_only()) return std::optional<lock_found>{};
    for (const auto& row : scopes) {
        const auto key = scope_key(settings, row.scope, facts);
        auto found = key ? ask(row.scope, *key) : std::nullopt;
        if (!found && row.scope == limit_scope::client_network) found = network_lock(facts, locks, now);
        if (found) return found;
    }
    if (unreadable) return *unreadable;
    return std::optional<lock_found>{};
}

limit_scope scope_of(std::string_view key) noexcept {
    const auto* const row = row_of(key);
    return row == nullptr ? limit_scope::account : row->scope;
}

std::string_view subject_of(std::string_view key) noexcept {
    const auto* const row = row_of(key);
    return row == nullptr ? key : key.substr(row->prefix.size());
}

std::string describe_subject(std::string_view key) {
    const auto* const row = row_of(key);
    return std::string{row == nullptr ? "the account " : row->words}.append(subject_of(key));
}

} // namespace postsluice::account
