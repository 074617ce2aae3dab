// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/core/lock_machine.hpp"

using namespace postsluice;
using std::chrono::hours;
using std::chrono::minutes;

namespace {

const instant start{milliseconds{1767225600000}};
const lock_policy policy{
    {{1, strike_kind::virus, strike_memory}, {2, strike_kind::phish, hours{24}}, {5, strike_kind::spam, minutes{10}}},
    minutes{30},
    1};

// An account with its strikes, as the store keeps them.
struct account {
    lock_state state;
    std::vector<strike> strikes;
    std::vector<lock_event> events;

    void strike_at(instant t, strike_kind kind, std::uint32_t weight = 1, const lock_policy& p = policy) {
        strikes.push_back({kind, t, weight, {}, "REF"});
        take(apply_strike(state, p, strikes, strikes.back(), t));
    }
    void take(lock_step step) {
        state = step.state;
        events.insert(events.end(), step.events.begin(), step.events.end());
    }
    std::vector<lock_event_kind> kinds() const {
        std::vector<lock_event_kind> out;
        for (const auto& e : events)
            out.push_back(e.kind);
        return out;
    }
};

using kinds = std::vector<lock_event_kind>;

} // namespace

BOOST_AUTO_TEST_SUITE(lock_machine_test)

BOOST_AUTO_TEST_CASE(triggers_lock_when_they_are_complete_and_not_before) {
    struct row {
        const char* name;
        std::vector<std::pair<minutes, strike_kind>> strikes;
        bool locks;
    };
    const row table[] = {
        {"one virus", {{minutes{0}, strike_kind::virus}}, true},
        {"one phish", {{minutes{0}, strike_kind::phish}}, false},
        {"two phish within a day", {{minutes{0}, strike_kind::phish}, {minutes{1439}, strike_kind::phish}}, true},
        {"two phish a day apart", {{minutes{0}, strike_kind::phish}, {minutes{1440}, strike_kind::phish}}, false},
        {"four spam",
         {{minutes{0}, strike_kind::spam},
          {minutes{1}, strike_kind::spam},
          {minutes{2}, strike_kind::spam},
          {minutes{3}, strike_kind::spam}},
         false},
        {"five spam in ten minutes",
         {{minutes{0}, strike_kind::spam},
          {minutes{1}, strike_kind::spam},
          {minutes{2}, strike_kind::spam},
          {minutes{3}, strike_kind::spam},
          {minutes{9}, strike_kind::spam}},
         true},
        {"five spam in eleven minutes",
         {{minutes{0}, strike_kind::spam},
          {minutes{1}, strike_kind::spam},
          {minutes{2}, strike_kind::spam},
          {minutes{3}, strike_kind::spam},
          {minutes{11}, strike_kind::spam}},
         false},
        {"kinds do not add up",
         {{minutes{0}, strike_kind::spam},
          {minutes{1}, strike_kind::phish},
          {minutes{2}, strike_kind::spam},
          {minutes{3}, strike_kind::spam},
          {minutes{4}, strike_kind::spam}},
         false},
        {"a kind without a trigger", {{minutes{0}, strike_kind::limit}}, false},
    };
    for (const auto& r : table) {
        BOOST_TEST_CONTEXT(r.name) {
            account a;
            for (const auto& [at, kind] : r.strikes)
                a.strike_at(start + at, kind);
            BOOST_TEST(is_locked(a.state, start + r.strikes.back().first) == r.locks);
            BOOST_TEST(a.events.size() == (r.locks ? 1U : 0U));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_lock_states_cause_actor_evidence_and_end) {
    account a;
    a.strike_at(start, strike_kind::virus);
    BOOST_TEST(a.state.kind == lock_kind::timed);
    BOOST_TEST((a.state.until == start + minutes{30}));
    BOOST_TEST(a.state.cause == "1 virus");
    BOOST_TEST(a.state.actor == "postsluice");
    BOOST_TEST(a.state.reference == "REF");
    BOOST_TEST((a.events.at(0).after == a.state));
}

BOOST_AUTO_TEST_CASE(a_timed_lock_is_open_at_its_end_even_before_anyone_recorded_it) {
    account a;
    a.strike_at(start, strike_kind::virus);
    BOOST_TEST(is_locked(a.state, start + minutes{30} - milliseconds{1}));
    BOOST_TEST(!is_locked(a.state, start + minutes{30}));
    BOOST_TEST(advance(a.state, start + minutes{30} - milliseconds{1}).events.empty());
    a.take(advance(a.state, start + hours{5}));
    BOOST_TEST(a.state.kind == lock_kind::open);
    BOOST_TEST(a.state.unlocks_used == 1U);
    BOOST_TEST((a.events.back().at == start + minutes{30}));
}

BOOST_AUTO_TEST_CASE(the_lock_after_the_last_automatic_unlock_is_permanent) {
    account a;
    a.strike_at(start, strike_kind::virus);
    a.strike_at(start + hours{1}, strike_kind::virus);
    BOOST_TEST(a.state.kind == lock_kind::permanent);
    BOOST_TEST(is_locked(a.state, start + hours{24 * 365}));
    BOOST_TEST((a.kinds() ==
                kinds{lock_event_kind::locked, lock_event_kind::unlocked_by_time, lock_event_kind::made_permanent}));
}

BOOST_AUTO_TEST_CASE(without_automatic_unlocks_the_first_lock_is_permanent) {
    account a;
    lock_policy strict = policy;
    strict.automatic_unlocks = 0;
    a.strike_at(start, strike_kind::virus, 1, strict);
    BOOST_TEST(a.state.kind == lock_kind::permanent);
}

BOOST_AUTO_TEST_CASE(strikes_while_locked_extend_nothing_and_do_not_count_after_the_unlock) {
    account a;
    a.strike_at(start, strike_kind::virus);
    const auto until = a.state.until;
    for (int i = 0; i < 10; ++i)
        a.strike_at(start + minutes{29}, strike_kind::spam);
    BOOST_TEST((a.state.until == until));
    a.strike_at(start + minutes{31}, strike_kind::spam);
    BOOST_TEST(a.state.kind == lock_kind::open);
}

BOOST_AUTO_TEST_CASE(a_persons_unlock_resets_the_count_and_the_slate) {
    account a;
    a.strike_at(start, strike_kind::virus);
    a.strike_at(start + hours{1}, strike_kind::virus);
    a.take(unlock_by_person(a.state, "anna", "password changed", start + hours{2}));
    BOOST_TEST(a.state.kind == lock_kind::open);
    BOOST_TEST(a.state.unlocks_used == 0U);
    BOOST_TEST(a.events.back().actor == "anna");
    a.strike_at(start + hours{2} + minutes{1}, strike_kind::phish);
    BOOST_TEST(a.state.kind == lock_kind::open);
    a.strike_at(start + hours{3}, strike_kind::virus);
    BOOST_TEST(a.state.kind == lock_kind::timed); // counts from the beginning
}

BOOST_AUTO_TEST_CASE(a_persons_lock_never_times_out) {
    account a;
    a.take(lock_by_person({}, "anna", "asked for it", "TICKET", start));
    BOOST_TEST(a.state.kind == lock_kind::manual);
    BOOST_TEST(is_locked(advance(a.state, start + hours{24 * 3650}).state, start + hours{24 * 3650}));
    a.strike_at(start, strike_kind::virus);
    BOOST_TEST(a.state.kind == lock_kind::manual);
}

BOOST_AUTO_TEST_CASE(a_persons_lock_on_a_lock_that_is_over_records_both) {
    account a;
    a.strike_at(start, strike_kind::virus);
    a.take(lock_by_person(a.state, "anna", "again", "", start + hours{1}));
    BOOST_TEST((a.kinds() ==
                kinds{lock_event_kind::locked, lock_event_kind::unlocked_by_time, lock_event_kind::locked_by_person}));
}

BOOST_AUTO_TEST_CASE(unlocking_an_open_account_tells_nobody_and_lets_strikes_begin_anew) {
    account a;
    for (int i = 0; i < 4; ++i)
        a.strike_at(start, strike_kind::spam);
    a.take(unlock_by_person(a.state, "anna", "", start + minutes{1}));
    BOOST_TEST(a.events.empty());
    a.strike_at(start + minutes{2}, strike_kind::spam);
    BOOST_TEST(a.state.kind == lock_kind::open);
}

BOOST_AUTO_TEST_CASE(a_persons_lock_for_a_time_ends_and_uses_up_nothing) {
    account a;
    a.take(lock_by_person({}, "anna", "until tomorrow", "T", start, hours{2}));
    BOOST_TEST(is_locked(a.state, start + hours{2} - milliseconds{1}));
    BOOST_TEST(!is_locked(a.state, start + hours{2}));
    a.take(advance(a.state, start + hours{3}));
    BOOST_TEST((a.kinds() == kinds{lock_event_kind::locked_by_person, lock_event_kind::unlocked_by_time}));
    BOOST_TEST(a.state.unlocks_used == 0U);
    a.strike_at(start + hours{4}, strike_kind::virus);
    BOOST_TEST(a.state.kind == lock_kind::timed);
}

BOOST_AUTO_TEST_CASE(what_locks_at_once_needs_no_trigger) {
    account a;
    lock_policy p{{}, minutes{30}, 1, "300 recipients per hour then lock"};
    a.strike_at(start, strike_kind::limit, 1, p);
    BOOST_TEST(a.state.kind == lock_kind::timed);
    BOOST_TEST(a.state.cause == "300 recipients per hour then lock");
    a.strike_at(start + minutes{1}, strike_kind::limit, 1, p);
    BOOST_TEST(a.events.size() == 1U); // locked is locked
    a.strike_at(start + hours{1}, strike_kind::limit, 1, p);
    BOOST_TEST(a.state.kind == lock_kind::permanent);
}

// Every state, every act.
BOOST_AUTO_TEST_CASE(transitions) {
    using state = lock_kind;
    using event = lock_event_kind;
    const instant now = start + minutes{5};
    const auto in = [](state kind, instant until = {}, std::uint32_t used = 0) {
        return lock_state{kind, start, until, used, {}, "c", "a", "r"};
    };
    const auto virus = [now](lock_state from) {
        const std::vector<strike> one{{strike_kind::virus, now, 1, {}, "REF"}};
        return apply_strike(std::move(from), policy, one, one.back(), now);
    };
    const auto pass = [now](lock_state from) { return advance(std::move(from), now); };
    const auto lock = [now](lock_state from) { return lock_by_person(std::move(from), "anna", "w", "T", now); };
    const auto unlock = [now](lock_state from) { return unlock_by_person(std::move(from), "anna", "w", now); };
    const auto reset = [now](lock_state from) { return reset_by_person(std::move(from), "anna", now); };
    const instant later = start + minutes{30}, over = start + minutes{1};
    struct row {
        const char* name;
        lock_step step;
        state kind;
        kinds events;
        std::uint32_t used;
    };
    const row table[] = {
        {"open, strike", virus(in(state::open)), state::timed, {event::locked}, 0},
        {"open, last strike", virus(in(state::open, {}, 1)), state::permanent, {event::made_permanent}, 1},
        {"open, time", pass(in(state::open)), state::open, {}, 0},
        {"open, lock", lock(in(state::open)), state::manual, {event::locked_by_person}, 0},
        {"open, unlock", unlock(in(state::open, {}, 1)), state::open, {event::unlocked_by_person}, 0},
        {"open, reset", reset(in(state::open)), state::open, {event::reset}, 0},
        {"timed, strike", virus(in(state::timed, later)), state::timed, {}, 0},
        {"timed, time", pass(in(state::timed, later)), state::timed, {}, 0},
        {"timed, over", pass(in(state::timed, over)), state::open, {event::unlocked_by_time}, 1},
        {"timed, over, strike",
         virus(in(state::timed, over)),
         state::permanent,
         {event::unlocked_by_time, event::made_permanent},
         1},
        {"timed, lock", lock(in(state::timed, later)), state::manual, {event::locked_by_person}, 0},
        {"timed, unlock", unlock(in(state::timed, later, 1)), state::open, {event::unlocked_by_person}, 0},
        {"timed, reset", reset(in(state::timed, later)), state::open, {event::reset}, 0},
        {"permanent, strike", virus(in(state::permanent, {}, 1)), state::permanent, {}, 1},
        {"permanent, time", pass(in(state::permanent, {}, 1)), state::permanent, {}, 1},
        {"permanent, lock", lock(in(state::permanent, {}, 1)), state::manual, {event::locked_by_person}, 1},
        {"permanent, unlock", unlock(in(state::permanent, {}, 1)), state::open, {event::unlocked_by_person}, 0},
        {"permanent, reset", reset(in(state::permanent, {}, 1)), state::open, {event::reset}, 0},
        {"manual, strike", virus(in(state::manual)), state::manual, {}, 0},
        {"manual, time", pass(in(state::manual)), state::manual, {}, 0},
        {"manual, its time over", pass(in(state::manual, over)), state::open, {event::unlocked_by_time}, 0},
        {"manual, unlock", unlock(in(state::manual)), state::open, {event::unlocked_by_person}, 0},
        {"manual, reset", reset(in(state::manual)), state::open, {event::reset}, 0},
    };
    for (const auto& r : table) {
        BOOST_TEST_CONTEXT(r.name) {
            account a;
            a.take(r.step);
            BOOST_TEST(a.state.kind == r.kind);
            BOOST_TEST((a.kinds() == r.events));
            BOOST_TEST(a.state.unlocks_used == r.used);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_clock_that_went_back_neither_opens_nor_locks_for_years) {
    const instant past = start - hours{24 * 365};
    account a;
    a.strike_at(start, strike_kind::virus);
    a.take(advance(a.state, past));
    BOOST_TEST(a.events.size() == 1U);
    BOOST_TEST(is_locked(a.state, past + minutes{29}));
    BOOST_TEST(!is_locked(a.state, past + minutes{30})); // its whole time, no more
    account manual;
    manual.take(lock_by_person({}, "anna", "", "", start));
    manual.take(advance(manual.state, past));
    BOOST_TEST(is_locked(manual.state, start + hours{24 * 365}));
    account opened;
    opened.take(unlock_by_person(a.state, "anna", "", start));
    opened.strike_at(past, strike_kind::virus); // after the unlock, though its clock says otherwise
    BOOST_TEST(opened.state.kind == lock_kind::timed);
    BOOST_TEST(opened.state.unlocks_used == 0U);
}

BOOST_AUTO_TEST_CASE(a_reset_opens_and_forgets) {
    account a;
    a.strike_at(start, strike_kind::virus);
    a.take(reset_by_person(a.state, "anna", start + minutes{1}));
    BOOST_TEST(a.state.kind == lock_kind::open);
    BOOST_TEST(a.state.unlocks_used == 0U);
    BOOST_TEST((a.state.counted_from == start + minutes{1}));
    BOOST_TEST((a.kinds() == kinds{lock_event_kind::locked, lock_event_kind::reset}));
}

BOOST_AUTO_TEST_CASE(a_weight_counts_as_that_many) {
    account a;
    a.strike_at(start, strike_kind::spam, 4);
    BOOST_TEST(a.state.kind == lock_kind::open);
    a.strike_at(start, strike_kind::spam, 1);
    BOOST_TEST(a.state.kind == lock_kind::timed);
}

BOOST_AUTO_TEST_CASE(one_message_within_the_hour_is_one_proof) {
    const strike first{strike_kind::spam, start, 1, "digest", "A"};
    auto other = first;
    other.at = start + minutes{59};
    BOOST_TEST(same_proof(first, other));
    BOOST_TEST(same_proof(other, first));
    other.at = start + minutes{60};
    BOOST_TEST(!same_proof(first, other));
    other = first;
    other.kind = strike_kind::phish;
    BOOST_TEST(!same_proof(first, other));
    other = first;
    other.digest.clear();
    BOOST_TEST(!same_proof(other, other));
}

BOOST_AUTO_TEST_CASE(triggers_print_as_they_are_configured) {
    BOOST_TEST(to_string(policy.after[0]) == "1 virus");
    BOOST_TEST(to_string(policy.after[2]) == "5 spam in 10 minutes");
    for (int i = 0; i <= static_cast<int>(last_strike_kind); ++i) {
        const auto kind = static_cast<strike_kind>(i);
        BOOST_TEST((parse_strike_kind(to_string(kind)) == kind));
    }
    BOOST_TEST(!parse_strike_kind("Spam").has_value());
}

BOOST_AUTO_TEST_SUITE_END()
