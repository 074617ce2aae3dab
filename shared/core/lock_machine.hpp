// SPDX-License-Identifier: Apache-2.0
// The lock machine: pure, no I/O, no clock. It runs inside the transaction of state/account_store.
//
// An account is open, locked for a time, locked permanently, or locked by a person. A strike that completes one of the
// policy's triggers ("5 spam in 10 minutes") locks the account `for` a time. When that time is over the account unlocks
// by itself, `automatic_unlocks` times; the lock after that is permanent. A person's unlock opens and resets the count;
// a person's lock times out only where the person said when. Strikes that arrive while locked are kept and extend
// nothing. Strikes from before an unlock no longer count: the slate is clean from `counted_from` on.
//
// Time may go back between two boots (a clock that was wrong). A state that begins in the future is taken to begin now:
// a lock then lasts at most its whole time again, and strikes count from now on. advance() says so in the state.
#pragma once

#include "shared/core/strike.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace postsluice {

/// "5 spam in 10 minutes"; "1 virus" has the longest window, strike_memory.
struct lock_trigger {
    std::uint32_t count = 1;
    strike_kind kind = strike_kind::spam;
    seconds window{};
    bool operator==(const lock_trigger&) const = default;
};
/// "2 phish in 24 hours"
[[nodiscard]] std::string to_string(const lock_trigger& trigger);

/// Strikes are remembered this long; the longest window a trigger may have.
inline constexpr seconds strike_memory{7 * 86400};

struct lock_policy {
    std::vector<lock_trigger> after;
    seconds duration{1800};
    std::uint32_t automatic_unlocks = 1;
    /// Not empty: the strike locks by itself, for this cause ("300 recipients per hour then lock").
    std::string at_once = {};
    bool operator==(const lock_policy&) const = default;
};

enum class lock_kind : std::uint8_t { open, timed, permanent, manual };
[[nodiscard]] std::string_view to_string(lock_kind kind) noexcept;
std::ostream& operator<<(std::ostream& out, lock_kind kind);

struct lock_state {
    lock_kind kind = lock_kind::open;
    instant since{};
    instant until{};                ///< of timed, and of manual where the person said so; else the epoch
    std::uint32_t unlocks_used = 0; ///< automatic unlocks since a person last unlocked
    instant counted_from{};         ///< strikes before this no longer count
    std::string cause;              ///< "5 spam in 10 minutes", or the operator's words
    std::string actor;              ///< "postsluice", or who did it
    std::string reference;          ///< evidence of the strike that locked, or of the operator's act
    bool operator==(const lock_state&) const = default;
};

/// Is the account locked at `now`? A timed lock whose time is over is open even before anyone recorded it.
[[nodiscard]] bool is_locked(const lock_state& state, instant now) noexcept;
/// Does it open by itself, at `until`?
[[nodiscard]] bool times_out(const lock_state& state) noexcept;

enum class lock_event_kind : std::uint8_t {
    locked,
    made_permanent,
    unlocked_by_time,
    unlocked_by_person,
    locked_by_person,
    reset,
    hook_failed, ///< no transition: a program of on_lock did not do its work
};
inline constexpr lock_event_kind last_lock_event_kind = lock_event_kind::hook_failed;
[[nodiscard]] std::string_view to_string(lock_event_kind kind) noexcept;
std::ostream& operator<<(std::ostream& out, lock_event_kind kind);

/// One transition, as it goes to the history, the log and the notice.
struct lock_event {
    lock_event_kind kind{};
    instant at{};
    std::string cause, actor, reference;
    lock_state after;
    bool operator==(const lock_event&) const = default;
};

struct lock_step {
    lock_state state;
    std::vector<lock_event> events; ///< in order; empty where nothing changed that anybody needs to be told
};

/// Lets time pass: a timed lock that is over becomes open (unlocked_by_time) and uses up one automatic unlock.
[[nodiscard]] lock_step advance(lock_state state, instant now);
/// `strikes` are those remembered, the new one among them. Locks where a trigger is complete, or policy.at_once.
[[nodiscard]] lock_step apply_strike(lock_state state, const lock_policy& policy, std::span<const strike> strikes,
                                     const strike& latest, instant now);
/// `duration`: zero for a lock without an end. What was locked before, and how, gives way to what the person says.
[[nodiscard]] lock_step lock_by_person(lock_state state, std::string actor, std::string why, std::string reference,
                                       instant now, seconds duration = {});
/// Opens, and lets the count and the strikes begin anew, also where nothing was locked (then without an event).
[[nodiscard]] lock_step unlock_by_person(lock_state state, std::string actor, std::string why, instant now);
/// A clean slate: open, no unlocks used, no earlier strike counts.
[[nodiscard]] lock_step reset_by_person(lock_state state, std::string actor, instant now);

} // namespace postsluice
