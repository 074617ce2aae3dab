// SPDX-License-Identifier: Apache-2.0
// Locks in memory, what damages them, clocks that jump, two processes, and the outbox of programs.
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"

#include "shared/state/environments.hpp"

using namespace postsluice;
using namespace postsluice::state;
using namespace postsluice::state::test;
using std::chrono::hours;
using std::chrono::minutes;

namespace {

const std::string alice = "alice@example.org";
const lock_policy policy{
    {{1, strike_kind::virus, strike_memory}, {100, strike_kind::invalid_recipients, hours{1}}}, minutes{30}, 1};
constexpr std::string_view secret = "0123456789abcdef";

struct office {
    temp_directory dir;
    manual_clock clock;
    boost::asio::io_context io;
    std::unique_ptr<store> state = open_store(dir / "state");
    std::unique_ptr<writer> through = std::make_unique<writer>(*state, seconds{10});
    std::unique_ptr<account_store> accounts =
        std::make_unique<account_store>(*state, *through, std::string{secret}, clock);

    strike_outcome strike_with(strike_kind kind, std::uint32_t weight = 1) {
        return run(io, accounts->add_strike(alice, {kind, clock.now(), weight, {}, "REF1"}, policy)).value();
    }
    bool locked(const std::string& key) {
        const auto set = accounts->locks().value();
        const auto found = set->find(key).value();
        return found != nullptr && is_locked(*found, clock.now());
    }
    void restart() {
        accounts.reset();
        through.reset();
        state.reset();
        state = open_store(dir / "state");
        through = std::make_unique<writer>(*state, seconds{10});
        accounts = std::make_unique<account_store>(*state, *through, std::string{secret}, clock);
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(locks_test)

BOOST_AUTO_TEST_CASE(the_set_is_read_again_only_when_a_lock_changed) {
    office o;
    const auto first = o.accounts->locks().value();
    BOOST_TEST(first->idle());
    BOOST_REQUIRE(put(*o.state, "Q something else", "1").has_value());
    BOOST_TEST(o.accounts->locks().value() == first);
    (void)o.strike_with(strike_kind::invalid_recipients);
    BOOST_TEST(o.accounts->locks().value() == first);
    (void)o.strike_with(strike_kind::virus);
    const auto second = o.accounts->locks().value();
    BOOST_TEST(second != first);
    BOOST_TEST(second->accounts_only());
    BOOST_TEST(o.locked(alice));
    BOOST_TEST(!o.locked("bob@example.org"));
    BOOST_TEST(o.accounts->locks().value() == second);
    BOOST_REQUIRE(run(o.io, o.accounts->unlock(alice, "anna", "")).has_value());
    BOOST_TEST(o.accounts->locks().value()->idle());
}

BOOST_AUTO_TEST_CASE(another_processs_lock_is_seen_at_once) {
    const temp_directory dir;
    signal_pipe go;
    child_process other{[&] {
        if (!go.take()) return 1;
        manual_clock clock;
        boost::asio::io_context io;
        const auto s = open_store(dir / "state");
        writer w{*s, seconds{10}};
        account_store accounts{*s, w, std::string{secret}, clock};
        return run(io, accounts.lock("domain:example.org", "anna", "", "")) ? 0 : 2;
    }};
    manual_clock clock;
    const auto s = open_store(dir / "state");
    writer w{*s, seconds{10}};
    account_store accounts{*s, w, std::string{secret}, clock};
    BOOST_TEST(accounts.locks().value()->idle());
    go.give();
    BOOST_REQUIRE(other.wait() == 0);
    const auto seen = accounts.locks().value();
    BOOST_TEST(!seen->accounts_only());
    BOOST_TEST(seen->find("domain:example.org").value() != nullptr);
}

BOOST_AUTO_TEST_CASE(the_narrowest_locked_network_is_found) {
    const manual_clock clock;
    lock_state manual{lock_kind::manual, clock.now(), {}, 0, {}, "", "anna", ""};
    lock_state over{lock_kind::timed, clock.now() - hours{1}, clock.now(), 0, {}, "", "", ""};
    const lock_set set{{{"network:192.0.0.0/16", manual},
                        {"network:192.0.2.0/28", manual},
                        {"network:192.0.2.0/30", over},
                        {"network:2001:db8::/32", manual}}};
    const auto around = [&](const char* address) -> std::string {
        const auto* found = set.network_around(ip_address::parse(address).value(), clock.now());
        return found == nullptr ? "-" : found->account;
    };
    BOOST_TEST(around("192.0.2.1") == "network:192.0.2.0/28");
    BOOST_TEST(around("192.0.2.77") == "network:192.0.0.0/16");
    BOOST_TEST(around("2001:db8:1::1") == "network:2001:db8::/32");
    BOOST_TEST(around("198.51.100.1") == "-");
}

BOOST_AUTO_TEST_CASE(a_burst_counts_by_its_weight_in_few_records) {
    office o;
    for (int i = 0; i < 99; ++i) {
        BOOST_TEST(o.strike_with(strike_kind::invalid_recipients).events.empty());
        o.clock.advance(milliseconds{10});
    }
    BOOST_TEST(o.accounts->history(alice, 1000)->strikes.size() <= 2U); // a second's are one
    BOOST_TEST(o.strike_with(strike_kind::invalid_recipients).state.kind == lock_kind::timed);
    BOOST_REQUIRE(run(o.io, o.accounts->unlock(alice, "anna", "")).has_value());
    o.clock.advance(milliseconds{1}); // what comes in the very millisecond of an unlock belongs to the old slate
    BOOST_TEST(o.strike_with(strike_kind::invalid_recipients, 99).state.kind == lock_kind::open);
    BOOST_TEST(o.strike_with(strike_kind::invalid_recipients, 1).state.kind == lock_kind::timed);
}

BOOST_AUTO_TEST_CASE(new_kinds_and_notes_come_back_and_old_records_are_read) {
    office o;
    strike complaint{strike_kind::complaint, o.clock.now(), 1, {}, "R1", "anna: an angry call"};
    BOOST_REQUIRE(run(o.io, o.accounts->add_strike(alice, complaint, policy)).has_value());
    const auto strikes = o.accounts->history(alice, 9)->strikes;
    BOOST_REQUIRE(strikes.size() == 1U);
    BOOST_TEST((strikes[0] == complaint));
    // As version 1 wrote it: no note.
    std::string old{"\1\1\0\0\0\3", 6};
    const auto at = static_cast<std::uint64_t>(o.clock.now().time_since_epoch().count());
    for (int i = 0; i < 8; ++i)
        old.push_back(static_cast<char>(at >> (8 * i) & 0xff));
    old.append("\1\0\0\0\1\0\0\0d\1\0\0\0r", 14);
    BOOST_REQUIRE(put(*o.state, hashed_key('S', secret, {alice}), old).has_value());
    const auto read = o.accounts->history(alice, 9)->strikes;
    BOOST_REQUIRE(read.size() == 1U);
    BOOST_TEST(read[0].digest == "d");
    BOOST_TEST(read[0].reference == "r");
}

BOOST_AUTO_TEST_CASE(a_damaged_lock_stops_its_account_only_until_a_person_acts) {
    for (const char* act : {"reset", "lock", "unlock"}) {
        BOOST_TEST_CONTEXT(act) {
            office o;
            log_lines lines;
            (void)o.strike_with(strike_kind::virus);
            BOOST_REQUIRE(put(*o.state, hashed_key('K', secret, {alice}), "\1junk").has_value());
            BOOST_REQUIRE(run(o.io, o.accounts->lock("bob@example.org", "anna", "", "")).has_value());
            const auto set = o.accounts->locks().value();
            BOOST_TEST(set->find(alice).error().code == errc::corrupt);
            BOOST_TEST(set->find(alice).error().detail.find("postsluice account reset " + alice) != std::string::npos);
            BOOST_TEST(o.locked("bob@example.org"));
            BOOST_TEST(set->find("carol@example.org").value() == nullptr);
            BOOST_TEST(lines.contain("lock records are damaged"));
            if (act == std::string_view{"reset"})
                BOOST_REQUIRE(run(o.io, o.accounts->reset(alice, "anna")).has_value());
            if (act == std::string_view{"lock"})
                BOOST_REQUIRE(run(o.io, o.accounts->lock(alice, "anna", "", "")).has_value());
            if (act == std::string_view{"unlock"})
                BOOST_REQUIRE(run(o.io, o.accounts->unlock(alice, "anna", "")).has_value());
            BOOST_TEST(lines.contain("a damaged lock record was replaced"));
            BOOST_TEST(o.locked(alice) == (act == std::string_view{"lock"}));
        }
    }
}

BOOST_AUTO_TEST_CASE(damaged_strikes_are_forgotten_and_said) {
    office o;
    log_lines lines;
    BOOST_REQUIRE(put(*o.state, hashed_key('S', secret, {alice}), "\2junk").has_value());
    BOOST_TEST(o.strike_with(strike_kind::virus).state.kind == lock_kind::timed);
    BOOST_TEST(lines.contain("strikes damaged"));
    BOOST_TEST(o.accounts->history(alice, 9)->strikes.size() == 1U);
}

BOOST_AUTO_TEST_CASE(what_a_person_did_survives_restarts_and_clocks_that_jump) {
    office o;
    const instant start = o.clock.now();
    BOOST_REQUIRE(run(o.io, o.accounts->lock(alice, "anna", "", "")).has_value());
    (void)run(o.io, o.accounts->add_strike("bob", {strike_kind::virus, start, 1, {}, ""}, policy));
    (void)run(o.io, o.accounts->unlock("bob", "anna", ""));
    (void)run(o.io, o.accounts->add_strike("carol", {strike_kind::virus, start, 1, {}, ""}, policy));
    for (const instant t : {start - hours{24 * 365}, start + hours{24 * 3650}, start - hours{1}}) {
        o.clock.set(t);
        o.restart();
        BOOST_REQUIRE(run(o.io, o.accounts->expire(hours{24 * 90})).has_value());
        BOOST_TEST(o.locked(alice));
        BOOST_TEST(!o.locked("bob"));
    }
    // A lock by strikes from a clock that was ahead lasts its time from now, and then is over.
    office ahead;
    (void)ahead.strike_with(strike_kind::virus);
    ahead.clock.advance(-hours{24 * 365});
    BOOST_REQUIRE(run(ahead.io, ahead.accounts->expire(hours{24 * 90}))->empty());
    BOOST_TEST(ahead.locked(alice));
    ahead.clock.advance(minutes{30});
    BOOST_TEST(!ahead.locked(alice));
    BOOST_TEST(run(ahead.io, ahead.accounts->expire(hours{24 * 90}))->size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_persons_lock_is_on_disk_when_it_is_acknowledged) {
    const temp_directory dir;
    child_process other{[&] {
        manual_clock clock;
        boost::asio::io_context io;
        auto s = store::open({.directory = dir / "state", .map_size = {16U << 20U}});
        writer w{**s, seconds{10}};
        account_store accounts{**s, w, std::string{secret}, clock};
        if (!run(io, accounts.lock(alice, "anna", "", ""))) return 1;
        ::kill(::getpid(), SIGKILL);
        return 2;
    }};
    BOOST_TEST(other.wait() == 128 + SIGKILL);
    manual_clock clock;
    const auto s = open_store(dir / "state");
    writer w{*s, seconds{10}};
    account_store accounts{*s, w, std::string{secret}, clock};
    BOOST_TEST(is_locked(*accounts.locks().value()->find(alice).value(), clock.now()));
}

BOOST_AUTO_TEST_CASE(each_transition_leaves_a_hook_call_until_it_is_over) {
    office o;
    (void)o.strike_with(strike_kind::virus);
    BOOST_REQUIRE(run(o.io, o.accounts->unlock(alice, "anna", "")).has_value());
    auto calls = o.accounts->hook_calls(9).value();
    BOOST_REQUIRE(calls.size() == 2U);
    BOOST_TEST(calls[0].event.kind == lock_event_kind::locked);
    BOOST_TEST(calls[1].event.kind == lock_event_kind::unlocked_by_person);
    calls[0].begun = 2;
    calls[0].done = 1;
    BOOST_REQUIRE(run(o.io, o.accounts->hook_call_now(calls[0])).has_value());
    BOOST_TEST(o.accounts->hook_calls(1)->at(0).done == 1U);
    BOOST_REQUIRE(run(o.io, o.accounts->hook_failed(alice, "/bin/x exited with status 3", "REF1")).has_value());
    BOOST_TEST(o.accounts->hook_calls(9)->size() == 2U); // no program because a program failed
    BOOST_TEST(o.accounts->notices(9)->back().event.cause == "/bin/x exited with status 3");
    BOOST_TEST(o.accounts->history(alice, 1)->events[0].kind == lock_event_kind::hook_failed);
    BOOST_REQUIRE(run(o.io, o.accounts->hook_calls_over({calls[0].id, calls[1].id})).has_value());
    BOOST_TEST(o.accounts->hook_calls(9)->empty());
    BOOST_REQUIRE(run(o.io, o.accounts->hook_call_now(calls[0])).has_value());
    BOOST_TEST(o.accounts->hook_calls(9)->empty());
}

BOOST_AUTO_TEST_SUITE_END()
