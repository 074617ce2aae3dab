// SPDX-License-Identifier: Apache-2.0
// What the policy pipeline needs to know and tell about locks: an interface of two verbs, so that rules and pipeline
// are tested without a store. Reads never block; a strike waits for its commit and is never awaited by a reply.
#pragma once

#include "shared/state/account_store.hpp"

namespace postsluice::policyd {

class lock_book {
public:
    virtual ~lock_book() = default;
    /// nullopt: never locked. What the lock means now says is_locked().
    [[nodiscard]] virtual result<std::optional<lock_state>> read(std::string_view account) = 0;
    virtual boost::asio::awaitable<result<state::strike_outcome>> add(std::string account, strike what,
                                                                      lock_policy policy) = 0;
};

/// The one on the `state` environment.
class stored_lock_book final : public lock_book {
public:
    explicit stored_lock_book(state::account_store& accounts)
        : accounts_{accounts} {}
    [[nodiscard]] result<std::optional<lock_state>> read(std::string_view account) override {
        return accounts_.read_lock(account);
    }
    boost::asio::awaitable<result<state::strike_outcome>> add(std::string account, strike what,
                                                              lock_policy policy) override {
        return accounts_.add_strike(std::move(account), std::move(what), std::move(policy));
    }

private:
    state::account_store& accounts_;
};

} // namespace postsluice::policyd
