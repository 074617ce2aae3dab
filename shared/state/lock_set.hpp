// SPDX-License-Identifier: Apache-2.0
// All locks of the state that are not open, in memory: what each request and each message asks. A snapshot, immutable,
// any thread; account_store::locks() renews it when the state changed. A record that cannot be read has lost its name
// but not its place: asking for the account it belongs to is errc::corrupt, so that on_error decides, and nobody else
// is held up.
#pragma once

#include "shared/core/ip_network.hpp"
#include "shared/core/lock_machine.hpp"
#include "shared/core/result.hpp"

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace postsluice::state {

struct locked_account {
    std::string account; ///< or another scope's key: "domain:example.org" (account/scopes.hpp)
    lock_state lock;
};

class lock_set {
public:
    using place_function = std::function<std::string(std::string_view key)>;

    lock_set() = default;
    /// `damaged`: the places of records that cannot be read; `place_of` tells where a key's record is.
    explicit lock_set(std::vector<locked_account> all, std::set<std::string, std::less<>> damaged = {},
                      place_function place_of = {});

    /// The lock recorded under a key, null where there is none. What it means now says is_locked().
    [[nodiscard]] result<const lock_state*> find(std::string_view key) const;
    /// The narrowest locked network that the address is in and whose lock is in force; null: none.
    [[nodiscard]] const locked_account* network_around(const ip_address& address, instant now) const;
    /// No other scope than accounts can be locked: nobody needs to ask for the others.
    [[nodiscard]] bool accounts_only() const noexcept { return !scopes_ && damaged_.empty(); }
    /// Nothing can be locked at all.
    [[nodiscard]] bool idle() const noexcept { return by_key_.empty() && damaged_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return by_key_.size(); }

private:
    struct network_lock {
        ip_network network;
        locked_account what;
    };
    std::map<std::string, lock_state, std::less<>> by_key_;
    std::vector<network_lock> networks_;
    std::set<std::string, std::less<>> damaged_;
    place_function place_of_;
    bool scopes_ = false;
};

} // namespace postsluice::state
