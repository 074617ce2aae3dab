// SPDX-License-Identifier: Apache-2.0
#include "shared/core/lock_machine.hpp"

#include "shared/core/units.hpp"

#include <algorithm>
#include <ostream>
#include <utility>

namespace postsluice {
namespace {

constexpr std::string_view ourselves = "postsluice";

seconds window_of(const lock_trigger& trigger) noexcept {
    return trigger.window <= seconds{0} ? strike_memory : std::min(trigger.window, strike_memory);
}

// Weights, not pieces: one proof may be worth several. A strike from the future counts: clocks of two processes differ
// a little.
bool complete(const lock_trigger& trigger, std::span<const strike> strikes, instant counted_from, instant now) {
    std::uint64_t sum = 0;
    for (const auto& s : strikes) {
        if (s.kind == trigger.kind && s.at > counted_from && s.at > now - window_of(trigger)) sum += s.weight;
    }
    return sum >= std::max<std::uint32_t>(trigger.count, 1);
}

void transition(lock_step& step, lock_event_kind kind, instant at) {
    step.events.push_back({kind, at, step.state.cause, step.state.actor, step.state.reference, step.state});
}

void open_account(lock_state& state, instant at, std::string actor, std::string cause) {
    state.kind = lock_kind::open;
    state.since = at;
    state.until = {};
    state.counted_from = at;
    state.actor = std::move(actor);
    state.cause = std::move(cause);
}

// By its policy: for a time, or for good where the automatic unlocks are used up.
void lock_account(lock_step& step, const lock_policy& policy, std::string cause, std::string reference, instant now) {
    const bool for_good = step.state.unlocks_used >= policy.automatic_unlocks;
    step.state.kind = for_good ? lock_kind::permanent : lock_kind::timed;
    step.state.since = now;
    step.state.until = for_good ? instant{} : now + policy.duration;
    step.state.cause = std::move(cause);
    step.state.actor = ourselves;
    step.state.reference = std::move(reference);
    transition(step, for_good ? lock_event_kind::made_permanent : lock_event_kind::locked, now);
}

// What was recorded by a clock that was ahead of this one. Two processes of a boot have the same clock.
void take_over_time(lock_state& state, instant now) {
    if (state.counted_from > now) state.counted_from = now - milliseconds{1}; // what comes now is of the new slate
    if (state.since <= now) return;
    if (times_out(state)) state.until = now + (state.until - state.since);
    state.since = now;
}

} // namespace

std::string to_string(const lock_trigger& trigger) {
    std::string text = std::to_string(trigger.count) + " " + std::string{to_string(trigger.kind)};
    if (window_of(trigger) < strike_memory) text += " in " + to_string(trigger.window);
    return text;
}

std::string_view to_string(lock_kind kind) noexcept {
    switch (kind) {
    case lock_kind::open:
        return "open";
    case lock_kind::timed:
        return "timed";
    case lock_kind::permanent:
        return "permanent";
    case lock_kind::manual:
        return "manual";
    }
    return "?";
}
std::ostream& operator<<(std::ostream& out, lock_kind kind) {
    return out << to_string(kind);
}

std::string_view to_string(lock_event_kind kind) noexcept {
    switch (kind) {
    case lock_event_kind::locked:
        return "locked";
    case lock_event_kind::made_permanent:
        return "made-permanent";
    case lock_event_kind::unlocked_by_time:
        return "unlocked-by-time";
    case lock_event_kind::unlocked_by_person:
        return "unlocked-by-person";
    case lock_event_kind::locked_by_person:
        return "locked-by-person";
    case lock_event_kind::reset:
        return "reset";
    case lock_event_kind::hook_failed:
        return "hook-failed";
    }
    return "?";
}
std::ostream& operator<<(std::ostream& out, lock_event_kind kind) {
    return out << to_string(kind);
}

bool times_out(const lock_state& state) noexcept {
    return state.kind == lock_kind::timed || (state.kind == lock_kind::manual && state.until != instant{});
}

bool is_locked(const lock_state& state, instant now) noexcept {
    if (state.kind == lock_kind::open) return false;
    return !times_out(state) || now < state.until;
}

lock_step advance(lock_state state, instant now) {
    lock_step step{std::move(state), {}};
    take_over_time(step.state, now);
    if (!times_out(step.state) || now < step.state.until) return step;
    const instant over = step.state.until;                              // it opened then, whenever somebody looks
    if (step.state.kind == lock_kind::timed) ++step.state.unlocks_used; // a person's lock is not held against anybody
    open_account(step.state, over, std::string{ourselves}, "the time of the lock is over");
    transition(step, lock_event_kind::unlocked_by_time, over);
    return step;
}

lock_step apply_strike(lock_state state, const lock_policy& policy, std::span<const strike> strikes,
                       const strike& latest, instant now) {
    lock_step step = advance(std::move(state), now);
    if (step.state.kind != lock_kind::open) return step;
    if (!policy.at_once.empty()) {
        lock_account(step, policy, policy.at_once, latest.reference, now);
        return step;
    }
    const auto met = std::find_if(policy.after.begin(), policy.after.end(), [&](const lock_trigger& trigger) {
        return trigger.kind == latest.kind && complete(trigger, strikes, step.state.counted_from, now);
    });
    if (met == policy.after.end()) return step;
    lock_account(step, policy, to_string(*met), latest.reference, now);
    return step;
}

lock_step lock_by_person(lock_state state, std::string actor, std::string why, std::string reference, instant now,
                         seconds duration) {
    lock_step step = advance(std::move(state), now);
    step.state.kind = lock_kind::manual;
    step.state.since = now;
    step.state.until = duration > seconds{0} ? now + duration : instant{};
    step.state.cause = std::move(why);
    step.state.actor = std::move(actor);
    step.state.reference = std::move(reference);
    transition(step, lock_event_kind::locked_by_person, now);
    return step;
}

lock_step unlock_by_person(lock_state state, std::string actor, std::string why, instant now) {
    lock_step step = advance(std::move(state), now);
    if (step.state.kind == lock_kind::open && step.state.unlocks_used == 0) {
        step.state.counted_from = now;
        return step;
    }
    step.state.unlocks_used = 0;
    open_account(step.state, now, std::move(actor), std::move(why));
    transition(step, lock_event_kind::unlocked_by_person, now);
    return step;
}

lock_step reset_by_person(lock_state state, std::string actor, instant now) {
    lock_step step = advance(std::move(state), now);
    step.state.unlocks_used = 0;
    step.state.reference.clear();
    open_account(step.state, now, std::move(actor), "reset");
    transition(step, lock_event_kind::reset, now);
    return step;
}

} // namespace postsluice
