// SPDX-License-Identifier: Apache-2.0
// Which lock stops a sender: its account's own, or one of a scope it belongs to (its login's domain, its customer, the
// client's address or network, the reverse-path or that one's domain). Pure; policyd asks at RCPT, the filter for what
// is still queued, so that both always agree.
#pragma once

#include "shared/account/scopes.hpp"
#include "shared/state/lock_set.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace postsluice::account {

struct lock_found {
    std::string key; ///< what is locked, as scope_key() writes it
    limit_scope scope = limit_scope::account;
    lock_state lock;
};

/// The first lock in force, from the account to its parents; nullopt: none. errc::corrupt where a record that might
/// lock this sender cannot be read and no other lock stops it.
[[nodiscard]] result<std::optional<lock_found>> find_lock(const config::settings& settings, const scope_facts& facts,
                                                          const state::lock_set& locks, instant now);

/// Which scope a lock's key names: "domain:example.org" is a domain, whatever has no scope in front an account.
[[nodiscard]] limit_scope scope_of(std::string_view key) noexcept;
/// The key without its scope.
[[nodiscard]] std::string_view subject_of(std::string_view key) noexcept;
/// In words: "the account alice@example.org", "the domain example.org", "the client network 192.0.2.0/24".
[[nodiscard]] std::string describe_subject(std::string_view key);

} // namespace postsluice::account
