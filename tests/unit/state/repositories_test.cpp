// SPDX-License-Identifier: Apache-2.0
// Accounts with their locks, verdict events, the writer, and a daemon's environments as a
// whole.
#define BOOST_TEST_DYN_LINK
#include "committed.hpp"
#include "fixture.hpp"

#include "shared/state/environments.hpp"

#include <thread>

using namespace postsluice;
using namespace postsluice::state;
using namespace postsluice::state::test;
using std::chrono::hours;
using std::chrono::minutes;

namespace {

const std::string alice = "alice@example.org";
const lock_policy policy{{{1, strike_kind::virus, strike_memory}, {3, strike_kind::spam, minutes{10}}}, minutes{30}, 1};

struct office {
    temp_directory dir;
    manual_clock clock;
    boost::asio::io_context io;
    std::unique_ptr<store> state = open_store(dir / "state");
    writer through{*state, seconds{10}};
    account_store accounts{*state, through, "0123456789abcdef", clock};

    strike_outcome strike_with(strike_kind kind, const std::string& digest = {}) {
        return run(io, accounts.add_strike(alice, {kind, clock.now(), 1, digest, "REF1"}, policy)).value();
    }
    void overwrite_all(std::string_view value) {
        auto txn = state->write();
        std::vector<std::string> keys;
        txn->scan("", "", [&](std::string_view key, std::string_view) {
            keys.emplace_back(key);
            return true;
        });
        for (const auto& key : keys)
            BOOST_REQUIRE(txn->put(key, value).has_value());
        BOOST_REQUIRE(txn->commit().has_value());
    }
};

verdict_event sample_event(const std::string& reference, instant at, const std::string& account) {
    verdict_event e;
    e.reference = reference;
    e.at = at;
    e.account = account;
    e.verdict = "quarantine";
    e.why = reason::virus;
    e.recipients.assign(30, "b@example.net");
    e.findings = {"EICAR(100) x"};
    return e;
}

} // namespace

BOOST_AUTO_TEST_SUITE(account_store_test)

BOOST_AUTO_TEST_CASE(a_strike_that_completes_a_trigger_locks_with_history_and_notice) {
    office o;
    BOOST_TEST(!o.accounts.read_lock(alice)->has_value());
    BOOST_TEST(o.strike_with(strike_kind::spam).events.empty());
    BOOST_TEST(o.strike_with(strike_kind::spam).counted);
    const auto outcome = o.strike_with(strike_kind::spam);
    BOOST_REQUIRE(outcome.events.size() == 1U);
    BOOST_TEST(outcome.state.kind == lock_kind::timed);
    const auto lock = o.accounts.read_lock(alice).value();
    BOOST_REQUIRE(lock.has_value());
    BOOST_TEST((*lock == outcome.state));
    BOOST_TEST(o.accounts.locked(9)->at(0).account == alice);
    const auto history = o.accounts.history(alice, 9).value();
    BOOST_REQUIRE(history.strikes.size() == 1U); // without digests, within a second
    BOOST_TEST(history.strikes[0].weight == 3U);
    BOOST_TEST((history.events == outcome.events));
    const auto notices = o.accounts.notices(9).value();
    BOOST_REQUIRE(notices.size() == 1U);
    BOOST_TEST(notices[0].account == alice);
    BOOST_TEST((notices[0].event == outcome.events[0]));
}

BOOST_AUTO_TEST_CASE(the_same_proof_within_the_hour_counts_once) {
    office o;
    BOOST_TEST(o.strike_with(strike_kind::spam, "digest").counted);
    for (int i = 0; i < 5; ++i)
        BOOST_TEST(!o.strike_with(strike_kind::spam, "digest").counted);
    BOOST_TEST(o.accounts.history(alice, 9)->strikes.size() == 1U);
    o.clock.advance(hours{1});
    BOOST_TEST(o.strike_with(strike_kind::spam, "digest").counted);
}

BOOST_AUTO_TEST_CASE(expire_records_time_outs_once_and_their_notices) {
    office o;
    (void)o.strike_with(strike_kind::virus);
    BOOST_TEST(run(o.io, o.accounts.expire(hours{24 * 90}))->empty());
    o.clock.advance(minutes{45});
    BOOST_TEST(o.accounts.locked(9)->empty());
    const auto opened = run(o.io, o.accounts.expire(hours{24 * 90})).value();
    BOOST_REQUIRE(opened.size() == 1U);
    BOOST_TEST(opened[0].account == alice);
    BOOST_TEST(opened[0].lock.kind == lock_kind::open);
    BOOST_TEST(run(o.io, o.accounts.expire(hours{24 * 90}))->empty());
    BOOST_TEST(o.accounts.notices(9)->size() == 2U);
    BOOST_TEST(o.accounts.history(alice, 1)->events.at(0).kind == lock_event_kind::unlocked_by_time);
    BOOST_TEST(o.strike_with(strike_kind::virus).state.kind == lock_kind::permanent);
}

BOOST_AUTO_TEST_CASE(people_lock_unlock_and_reset) {
    office o;
    BOOST_TEST(run(o.io, o.accounts.lock(alice, "anna", "asked for it", "T1"))->kind == lock_kind::manual);
    BOOST_TEST(o.accounts.locked(9)->at(0).lock.cause == "asked for it");
    BOOST_TEST(run(o.io, o.accounts.unlock(alice, "anna", "done"))->kind == lock_kind::open);
    o.clock.advance(milliseconds{1});
    (void)o.strike_with(strike_kind::virus);
    BOOST_TEST(run(o.io, o.accounts.reset(alice, "anna")).has_value());
    BOOST_TEST(o.accounts.read_lock(alice)->value().kind == lock_kind::open);
    BOOST_TEST(o.accounts.history(alice, 9)->strikes.empty());
    BOOST_TEST(o.accounts.history(alice, 9)->events.size() == 4U);
    BOOST_TEST(o.accounts.history(alice, 9)->events.at(0).kind == lock_event_kind::reset);
    BOOST_TEST(o.accounts.history("bob", 9)->events.empty());
}

BOOST_AUTO_TEST_CASE(notices_leave_oldest_first_when_they_were_sent) {
    office o;
    for (int i = 0; i < 3; ++i)
        BOOST_REQUIRE(run(o.io, o.accounts.lock(std::to_string(i), "anna", "", "")).has_value());
    const auto three = o.accounts.notices(9).value();
    BOOST_REQUIRE(three.size() == 3U);
    BOOST_TEST(three[0].account == "0");
    BOOST_TEST(run(o.io, o.accounts.notice_failed(three[0].id)).has_value());
    BOOST_TEST(o.accounts.notices(1)->at(0).attempts == 1U);
    BOOST_TEST(run(o.io, o.accounts.notice_sent(three[0].id)).has_value());
    BOOST_TEST(o.accounts.notices(1)->at(0).id == three[1].id);
    BOOST_TEST(run(o.io, o.accounts.notice_failed(three[0].id)).has_value()); // it is gone; nothing to do
    BOOST_TEST(o.accounts.notices(9)->size() == 2U);
}

BOOST_AUTO_TEST_CASE(old_strikes_history_and_notices_are_forgotten) {
    office o;
    (void)o.strike_with(strike_kind::spam);
    BOOST_REQUIRE(run(o.io, o.accounts.lock(alice, "anna", "", "")).has_value());
    o.clock.advance(hours{24 * 8});
    BOOST_REQUIRE(run(o.io, o.accounts.expire(hours{24 * 30})).has_value());
    BOOST_TEST(o.accounts.history(alice, 9)->strikes.empty());
    BOOST_TEST(o.accounts.history(alice, 9)->events.size() == 1U);
    o.clock.advance(hours{24 * 30});
    BOOST_REQUIRE(run(o.io, o.accounts.expire(hours{24 * 30})).has_value());
    BOOST_TEST(o.accounts.history(alice, 9)->events.empty());
    BOOST_TEST(o.accounts.notices(9)->empty());
    BOOST_TEST(o.accounts.locked(9)->size() == 1U); // the lock itself stays
}

BOOST_AUTO_TEST_CASE(remembered_strikes_are_bounded) {
    office o;
    for (int i = 0; i < 1100; ++i) {
        auto work = o.accounts.add_strike(alice, {strike_kind::limit, o.clock.now(), 1, std::to_string(i), {}}, policy);
        boost::asio::co_spawn(o.io, std::move(work),
                              [](std::exception_ptr, result<strike_outcome> r) { BOOST_TEST(r.has_value()); });
    }
    o.io.run();
    BOOST_TEST(o.accounts.history(alice, 5000)->strikes.size() == 1000U);
}

BOOST_AUTO_TEST_CASE(damaged_records_are_errors) {
    office o;
    (void)o.strike_with(strike_kind::virus);
    for (const std::string_view value :
         {std::string_view{"\1"}, std::string_view{"\1\xff\xff\xff\xff\xff\xff\xff\xff", 9}, std::string_view{"\2"}}) {
        o.overwrite_all(value);
        BOOST_TEST(o.accounts.read_lock(alice).error().code == errc::corrupt);
        BOOST_TEST(o.accounts.history(alice, 9).error().code == errc::corrupt);
        BOOST_TEST(o.accounts.locked(9)->empty());
        BOOST_TEST(o.accounts.notices(9)->empty());
        BOOST_TEST(run(o.io, o.accounts.add_strike(alice, {strike_kind::virus, o.clock.now(), 1, {}, ""}, policy))
                       .error()
                       .code == errc::corrupt);
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(writer_test)

BOOST_AUTO_TEST_CASE(an_operation_that_fails_is_rolled_back_alone) {
    office o;
    signal_pipe begun, go;
    std::thread first{[&] {
        BOOST_TEST(o.through
                       .run_blocking([&](write_txn& txn) {
                           begun.give();
                           (void)go.take();
                           return txn.put("first", "1");
                       })
                       .has_value());
    }};
    BOOST_REQUIRE(begun.take());
    // While the first is under way these gather, and share one commit.
    std::vector<result<void>> outcomes(3);
    const auto add = [&](std::size_t i, writer::operation op) {
        boost::asio::co_spawn(o.io, o.through.run(std::move(op)),
                              [&, i](std::exception_ptr, result<void> r) { outcomes[i] = r; });
    };
    add(0, [](write_txn& txn) { return txn.put("good", "1"); });
    add(1, [](write_txn& txn) -> result<void> {
        (void)txn.put("bad", "1");
        return failure{errc::exists, "no"};
    });
    add(2, [](write_txn& txn) -> result<void> {
        (void)txn.put("thrown", "1");
        throw std::runtime_error{"broken"};
    });
    o.io.poll();
    go.give();
    o.io.run();
    first.join();
    BOOST_TEST(outcomes[0].has_value());
    BOOST_TEST(outcomes[1].error().code == errc::exists);
    BOOST_TEST(outcomes[2].error().code == errc::internal);
    BOOST_TEST(get(*o.state, "good").has_value());
    BOOST_TEST(!get(*o.state, "bad").has_value());
    BOOST_TEST(!get(*o.state, "thrown").has_value());
}

BOOST_AUTO_TEST_CASE(what_is_queued_is_committed_before_the_end) {
    const temp_directory dir;
    auto s = open_store(dir / "state");
    boost::asio::io_context io;
    {
        writer w{*s, seconds{10}};
        for (int i = 0; i < 100; ++i) {
            boost::asio::co_spawn(io, w.run([i](write_txn& txn) { return txn.put("k" + std::to_string(i), "1"); }),
                                  [](std::exception_ptr, result<void> r) { BOOST_TEST(r.has_value()); });
        }
        io.poll();
    }
    io.run();
    for (int i = 0; i < 100; ++i)
        BOOST_TEST(get(*s, "k" + std::to_string(i)).has_value());
}

BOOST_AUTO_TEST_CASE(a_queue_that_is_full_is_said_to_be) {
    office o;
    signal_pipe begun, go;
    std::thread first{[&] {
        (void)o.through.run_blocking([&](write_txn&) -> result<void> {
            begun.give();
            (void)go.take();
            return {};
        });
    }};
    BOOST_REQUIRE(begun.take());
    int refused = 0;
    for (int i = 0; i < 10'010; ++i) {
        boost::asio::co_spawn(
            o.io, o.through.run([](write_txn&) -> result<void> { return {}; }),
            [&](std::exception_ptr, result<void> r) { refused += !r && r.error().code == errc::unavailable; });
    }
    o.io.poll();
    go.give();
    o.io.run();
    first.join();
    BOOST_TEST(refused == 11);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(event_log_test)

BOOST_AUTO_TEST_CASE(events_are_found_by_reference_and_listed_by_account) {
    office o;
    event_log log{*o.state, "0123456789abcdef", o.clock};
    BOOST_REQUIRE(log.record(sample_event("AAAAAAA1", o.clock.now(), alice)).has_value());
    o.clock.advance(minutes{1});
    BOOST_REQUIRE(log.record(sample_event("AAAAAAA2", o.clock.now(), "bob")).has_value());
    BOOST_REQUIRE(log.record(sample_event("AAAAAAA2", o.clock.now() + minutes{1}, "bob")).has_value());
    const auto found = log.find("aaaaaaal").value(); // read out on the telephone
    BOOST_REQUIRE(found.has_value());
    BOOST_TEST(found->reference == "AAAAAAA1");
    BOOST_TEST(found->recipients.size() == 20U);
    BOOST_TEST(found->why == reason::virus);
    BOOST_TEST(log.recent("", 9)->size() == 2U);
    BOOST_TEST(log.recent("", 9)->at(0).reference == "AAAAAAA2");
    BOOST_TEST(log.recent(alice, 9)->size() == 1U);
    BOOST_TEST(!log.find("BBBBBBBB")->has_value());
    BOOST_TEST(!log.find("")->has_value());
    BOOST_TEST(log.record(sample_event("", o.clock.now(), alice)).error().code == errc::malformed);
    o.overwrite_all("\1x");
    BOOST_TEST(log.find("AAAAAAA1").error().code == errc::corrupt);
}

BOOST_AUTO_TEST_CASE(the_cap_is_exact_across_threads_and_frees_with_time) {
    office o;
    event_log log{*o.state, "0123456789abcdef", o.clock};
    std::atomic<int> granted{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 20; ++i)
                granted += log.count_under(alice, "bounce", seconds{3600}, 30).value() ? 1 : 0;
        });
    }
    for (auto& t : threads)
        t.join();
    BOOST_TEST(granted == 30);
    BOOST_TEST(log.count_under("bob", "bounce", seconds{3600}, 30).value());
    o.clock.advance(seconds{3600});
    BOOST_TEST(log.count_under(alice, "bounce", seconds{3600}, 30).value());
    BOOST_TEST(!log.count_under(alice, "other", seconds{3600}, 0).value());
}

BOOST_AUTO_TEST_CASE(forgetting_leaves_nothing_old_behind) {
    office o;
    event_log log{*o.state, "0123456789abcdef", o.clock};
    BOOST_REQUIRE(log.record(sample_event("AAAAAAA1", o.clock.now(), alice)).has_value());
    BOOST_REQUIRE(log.count_under(alice, "bounce", seconds{3600}, 30).value());
    BOOST_REQUIRE(log.count("reject", 2).has_value());
    BOOST_REQUIRE(log.count("reject").has_value());
    BOOST_TEST(log.counts_of_day(o.clock.now())->at("reject") == 3U);
    o.clock.advance(hours{48});
    BOOST_TEST(log.counts_of_day(o.clock.now())->empty());
    BOOST_REQUIRE(log.record(sample_event("AAAAAAA2", o.clock.now(), alice)).has_value());
    BOOST_REQUIRE(log.forget_before(o.clock.now() - hours{24}, 100).has_value());
    BOOST_TEST(log.recent("", 9)->size() == 1U);
    BOOST_TEST(!log.find("AAAAAAA1")->has_value());
    BOOST_REQUIRE(log.forget_before(o.clock.now() + hours{1}, 100).has_value());
    int left = 0;
    o.state->read()->scan("", "", [&](std::string_view, std::string_view) { return ++left > 0; });
    BOOST_TEST(left == 0);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(environments_test)

BOOST_AUTO_TEST_CASE(two_daemons_meet_in_one_directory) {
    const temp_directory dir;
    environments_options options;
    options.directory = dir / "lib";
    options.map_size = {16U << 20U};
    signal_pipe ready;
    child_process filter{[&] {
        auto e = environments::open(options, user::contentfilter);
        if (!e) return 1;
        boost::asio::io_context io;
        lock_policy strict{{{1, strike_kind::virus, strike_memory}}, minutes{30}, 0};
        const auto struck =
            run(io, (*e)->accounts().add_strike(alice, {strike_kind::virus, (*e)->time().now(), 1, "", "R"}, strict));
        if (!struck || !(*e)->events().record(sample_event("AAAAAAA1", (*e)->time().now(), alice))) return 2;
        return 0;
    }};
    auto e = environments::open(options, user::policyd);
    BOOST_REQUIRE_MESSAGE(e.has_value(), (e ? "" : e.error().message()));
    BOOST_TEST(filter.wait() == 0);
    BOOST_TEST(is_locked((*e)->accounts().read_lock(alice)->value(), (*e)->time().now()));
    BOOST_TEST(*state_secret(options.directory) == (*e)->secret());
    boost::asio::io_context io;
    const auto books = (*e)->make_accounting(io.get_executor());
    BOOST_TEST(run(io, settle_committed(*books, {"s", "i"}, 1, "Q", 1)).has_value());
    const auto mode = std::filesystem::status(options.directory).permissions();
    BOOST_TEST((mode == std::filesystem::perms{0770}));
}

BOOST_AUTO_TEST_CASE(a_directory_that_cannot_be_made_is_an_error) {
    environments_options options;
    options.directory = "/proc/postsluice";
    BOOST_TEST(!environments::open(options, user::policyd).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
