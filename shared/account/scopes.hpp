// SPDX-License-Identifier: Apache-2.0
// The scopes that a request belongs to: under which keys limits count it, and which locks hold for it. Pure. Keys read
// as an operator writes them ("postsluice account lock domain:example.org"): the account's own is its bare name, each
// other one has its scope in front. A scope that a request does not belong to (no login, no customer, an unknown
// client) has no key: there is never a shared empty one.
#pragma once

#include "shared/account/identify.hpp"
#include "shared/core/limit.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace postsluice::account {

struct scope_facts {
    const identity& who;
    std::string_view client_address; ///< as Postfix prints it
    const mail_address& sender;      ///< the reverse-path; the null sender has no key
};

/// "alice@example.org", "domain:example.org", "customer:acme", "client:192.0.2.7", "network:192.0.2.0/24",
/// "sender:alice@example.org", "sender-domain:example.org", "server:".
[[nodiscard]] std::optional<std::string> scope_key(const config::settings& settings, limit_scope scope,
                                                   const scope_facts& facts);
/// The [[customer]] an account belongs to: by its login's domain or its account's name; null: none.
[[nodiscard]] const config::customer_entry* customer_of(const config::settings& settings, const identity& who);
/// The /24 or /64 that an address is in.
[[nodiscard]] std::optional<ip_network> network_of(std::string_view client_address);
/// Reads what an operator wrote to lock: an account, or one of domain:, customer:, client:, network:, sender:,
/// sender-domain: with its subject in the form that scope_key() makes. errc::malformed says what is wrong.
[[nodiscard]] result<std::string> parse_lock_subject(const config::settings& settings, std::string_view text);

} // namespace postsluice::account
