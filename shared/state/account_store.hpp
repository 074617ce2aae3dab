// SPDX-License-Identifier: Apache-2.0
// Strikes, locks, their history and the notices to be mailed: the `state` environment's part about accounts. Either
// daemon may strike; the lock machine runs in the same transaction, and each transition leaves a history record and a
// notice in the outbox. Reads never block. Writes go through the writer thread. Bounds: an account's newest 1000
// strikes are remembered. The store, the writer and the clock must outlive it. Repeating a write whose caller saw
// errc::timed_out is harmless where the strike carries a digest.
#pragma once

#include "shared/core/lock_machine.hpp"
#include "shared/state/store.hpp"
#include "shared/state/writer.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace postsluice::state {

struct locked_account {
    std::string account;
    lock_state lock;
};
struct account_history {
    std::vector<lock_event> events; ///< newest first
    std::vector<strike> strikes;    ///< remembered ones, newest first
};
struct notice {
    std::uint64_t id = 0;
    std::string account;
    lock_event event;
    std::uint32_t attempts = 0;
};
struct strike_outcome {
    lock_state state;
    std::vector<lock_event> events; ///< what this strike brought about; empty where nothing changed
    bool counted = true;            ///< false: the same proof was counted before
};

class account_store {
public:
    account_store(store& where, writer& through, std::string hash_secret, const clock& time);

    /// The lock as recorded (see is_locked() for what it means now); nullopt where the account was never locked.
    [[nodiscard]] result<std::optional<lock_state>> read_lock(std::string_view account);
    [[nodiscard]] result<std::vector<locked_account>> locked(std::size_t most);
    [[nodiscard]] result<account_history> history(std::string_view account, std::size_t most);

    boost::asio::awaitable<result<strike_outcome>> add_strike(std::string account, strike what, lock_policy policy);
    boost::asio::awaitable<result<lock_state>> lock(std::string account, std::string actor, std::string why,
                                                    std::string reference);
    boost::asio::awaitable<result<lock_state>> unlock(std::string account, std::string actor, std::string why);
    /// Forgets strikes and the count of unlocks; opens the account.
    boost::asio::awaitable<result<void>> reset(std::string account, std::string actor);
    /// Records time-outs that have passed, forgets what is older than `retention`. Returns the events.
    boost::asio::awaitable<result<std::vector<locked_account>>> expire(seconds retention);

    /// The outbox of notices: oldest first.
    [[nodiscard]] result<std::vector<notice>> notices(std::size_t most);
    boost::asio::awaitable<result<void>> notice_sent(std::uint64_t id);
    boost::asio::awaitable<result<void>> notice_failed(std::uint64_t id);

private:
    using step_function = std::function<result<std::vector<lock_event>>(write_txn&, lock_state&)>;
    boost::asio::awaitable<result<lock_state>> change(std::string account, step_function step);
    [[nodiscard]] std::string key(char tag, std::string_view account) const;
    store& store_;
    writer& writer_;
    std::string secret_;
    const clock& clock_;
};

} // namespace postsluice::state
