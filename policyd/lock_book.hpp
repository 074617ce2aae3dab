// SPDX-License-Identifier: Apache-2.0
// What the policy pipeline needs to know and tell about locks: an interface of two verbs, so that rules and pipeline
// are tested without a store. Reads never block, and cost next to nothing while no lock changes; a strike waits for its
// commit and is never awaited by a reply.
#pragma once

#include "shared/state/account_store.hpp"

namespace postsluice::policyd {

class lock_book {
public:
    virtual ~lock_book() = default;
    /// All locks that are not open. What one means now says is_locked().
    [[nodiscard]] virtual result<std::shared_ptr<const state::lock_set>> locks() = 0;
    /// `account`: or another scope's key.
    virtual boost::asio::awaitable<result<state::strike_outcome>> add(std::string account, strike what,
                                                                      lock_policy policy) = 0;
};

/// The one on the `state` environment.
class stored_lock_book final : public lock_book {
public:
    explicit stored_lock_book(state::account_store& accounts)
        : accounts_{accounts} {}
    [[nodiscard]] result<std::shared_ptr<const state::lock_set>> locks() override { return accounts_.locks(); }
    boost::asio::awaitable<result<state::strike_outcome>> add(std::string account, strike what,
                                                              lock_policy policy) override {
        return accounts_.add_strike(std::move(account), std::move(what), std::move(policy));
    }

private:
    state::account_store& accounts_;
};

} // namespace postsluice::policyd
