// SPDX-License-Identifier: Apache-2.0
// Strikes, locks, their history, the notices to be mailed and the programs to be run: the `state` environment's part
// about accounts, and about the other scopes that can be locked (account/scopes.hpp). Either daemon may strike; the
// lock machine runs in the same transaction, and each transition leaves a history record, a notice and a hook call in
// the two outboxes. Reads never block. Writes go through the writer thread. Bounds: an account's newest 1000 strikes
// are remembered, after compact_strikes() added up those that are alike. The store, the writer and the clock must
// outlive it. Repeating a write whose caller saw errc::timed_out is harmless where the strike carries a digest.
//
// Damaged records: of strikes, the account begins with none, and the log says so; of a lock, reads and strikes are
// errc::corrupt (on_error decides) until a person locks, unlocks or resets the account: those acts need not know what
// was before.
#pragma once

#include "shared/core/lock_machine.hpp"
#include "shared/state/lock_set.hpp"
#include "shared/state/store.hpp"
#include "shared/state/writer.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace postsluice::state {

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
/// A transition for which programs of on_lock may have to run.
struct hook_call {
    std::uint64_t id = 0;
    std::string account;
    lock_event event;
    std::uint32_t begun = 0; ///< how often somebody began to work on it
    std::uint32_t done = 0;  ///< commands of the profile that have ended
};
struct strike_outcome {
    lock_state state;
    std::vector<lock_event> events; ///< what this strike brought about; empty where nothing changed
    bool counted = true;            ///< false: the same proof was counted before
    bool forgot = false;            ///< the account's earlier strikes were damaged
};

class account_store {
public:
    account_store(store& where, writer& through, std::string hash_secret, const clock& time);

    /// The lock as recorded (see is_locked() for what it means now); nullopt where the account was never locked.
    [[nodiscard]] result<std::optional<lock_state>> read_lock(std::string_view account);
    [[nodiscard]] result<std::vector<locked_account>> locked(std::size_t most);
    /// Every lock that is not open, as committed by either daemon until now. Where nothing was committed since the last
    /// call this costs a look at a counter; any thread.
    [[nodiscard]] result<std::shared_ptr<const lock_set>> locks();
    [[nodiscard]] result<account_history> history(std::string_view account, std::size_t most);

    boost::asio::awaitable<result<strike_outcome>> add_strike(std::string account, strike what, lock_policy policy);
    /// `duration`: zero for a lock without an end.
    boost::asio::awaitable<result<lock_state>> lock(std::string account, std::string actor, std::string why,
                                                    std::string reference, seconds duration = {});
    boost::asio::awaitable<result<lock_state>> unlock(std::string account, std::string actor, std::string why);
    /// Forgets strikes and the count of unlocks; opens the account.
    boost::asio::awaitable<result<void>> reset(std::string account, std::string actor);
    /// Records time-outs that have passed, forgets what is older than `retention`. Returns the events.
    boost::asio::awaitable<result<std::vector<locked_account>>> expire(seconds retention);

    /// The outbox of notices: oldest first.
    [[nodiscard]] result<std::vector<notice>> notices(std::size_t most);
    boost::asio::awaitable<result<void>> notice_sent(std::uint64_t id);
    boost::asio::awaitable<result<void>> notice_failed(std::uint64_t id);

    /// The outbox of programs: oldest first.
    [[nodiscard]] result<std::vector<hook_call>> hook_calls(std::size_t most);
    /// Remembers `begun` and `done` of a call; nothing where it is gone.
    boost::asio::awaitable<result<void>> hook_call_now(hook_call what);
    boost::asio::awaitable<result<void>> hook_calls_over(std::vector<std::uint64_t> ids);
    /// A program did not do its work: into the history and the notices.
    boost::asio::awaitable<result<void>> hook_failed(std::string account, std::string words, std::string reference);

private:
    using step_function = std::function<result<std::vector<lock_event>>(write_txn&, lock_state&)>;
    boost::asio::awaitable<result<lock_state>> change(std::string account, step_function step);
    [[nodiscard]] std::string key(char tag, std::string_view account) const;
    [[nodiscard]] result<std::shared_ptr<const lock_set>> load_locks(const read_txn& txn) const;
    store& store_;
    writer& writer_;
    std::string secret_;
    const clock& clock_;
    std::mutex mutex_; // of the three below
    std::shared_ptr<const lock_set> locks_;
    store_version seen_;
    std::uint64_t changes_seen_ = 0;
};

} // namespace postsluice::state
