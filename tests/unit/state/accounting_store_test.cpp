// SPDX-License-Identifier: Apache-2.0
// What the accounting does with its store: commits, many requests at once, clocks and disks that fail it, and what it
// sweeps, lists and remembers of refusals.
#define BOOST_TEST_DYN_LINK
#include "accounting_desk.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

using namespace postsluice;
using namespace postsluice::state;
using namespace postsluice::state::test;

BOOST_AUTO_TEST_SUITE(accounting_store_test)

BOOST_FIXTURE_TEST_CASE(the_commit_is_done_by_whom_it_was_given_to, desk) {
    std::vector<std::function<void()>> given;
    books->commit_by([&](std::function<void()> commit) { given.push_back(std::move(commit)); });
    std::size_t answered = 0;
    const auto ask = [&](const std::string& recipient) {
        boost::asio::co_spawn(io,
                              admit_committed(*books, {id("1.1"), connection, alice, recipient, limits, false, false}),
                              [&](std::exception_ptr e, const result<admit_answer>& a) {
                                  answered += !e && a.has_value() && !a->breach ? 1 : 0;
                              });
        io.restart();
        io.poll();
    };
    ask("a@x.example");
    ask("b@x.example");
    BOOST_TEST(answered == 0U);
    BOOST_REQUIRE(given.size() == 1U); // of the turn
    given[0]();
    io.restart();
    io.poll();
    BOOST_TEST(answered == 2U);
    ask("c@x.example");
    BOOST_REQUIRE(given.size() == 2U); // of the next
    given[1]();
    io.restart();
    io.poll();
    BOOST_TEST(answered == 3U);
    books.reset();
    given[1](); // may come late
}

BOOST_AUTO_TEST_CASE(a_clock_that_was_wrong_mints_nothing_and_locks_nobody_out) {
    desk d;
    log_lines lines;
    const auto before = d.clock.now();
    d.clock.advance(std::chrono::hours{24 * 365});
    for (int i = 0; i < 5; ++i)
        BOOST_TEST(d.admitted("i1", std::to_string(i)));
    (void)d.refuse("recipients per hour", "a");
    d.clock.set(before);
    BOOST_TEST(!d.admitted("i2", "x"));
    d.sweep(); // finds the lease and the refusal
    BOOST_TEST(lines.contain("counts from the future clamped"));
    BOOST_TEST(lines.contain("lease from the future clamped"));
    BOOST_TEST(lines.contain("refusal from the future clamped"));
    BOOST_TEST((d.books->refusals(alice, 9)->at(0).first == before));
    d.clock.advance(seconds{600});
    d.sweep();
    d.clock.advance(seconds{3600});
    BOOST_TEST(d.admitted("i3", "x"));
}

BOOST_AUTO_TEST_CASE(a_thousand_parallel_requests_admit_exactly_the_limit) {
    desk d;
    d.set_count(300);
    int admitted = 0, refused = 0, failed = 0;
    for (int i = 0; i < 1000; ++i) {
        asio::co_spawn(d.io,
                       admit_committed(*d.books, {desk::id("i" + std::to_string(i % 16)), 1, alice, std::to_string(i),
                                                  d.limits, false, false}),
                       [&](std::exception_ptr, result<admit_answer> a) {
                           ++(!a ? failed : a->breach ? refused : admitted);
                       });
    }
    d.io.run();
    BOOST_TEST(admitted == 300);
    BOOST_TEST(refused == 700);
    BOOST_TEST(failed == 0);
    BOOST_TEST(d.used(d.limits[0].limits[0]) == 300U);
}

BOOST_AUTO_TEST_CASE(what_was_answered_survives_and_what_was_not_is_not_charged) {
    desk d;
    BOOST_TEST(d.admitted("i1", "a"));
    asio::co_spawn(d.io, admit_committed(*d.books, {desk::id("i1"), 1, alice, "b", d.limits, false, false}),
                   asio::detached);
    d.io.restart();
    while (d.io.poll_one() != 0 && d.used() != 2U) {
    } // applied, not committed
    d.books.reset();
    d.counters.reset();
    d.counters = open_store(d.dir / "counters", durability::background, 64U << 20U);
    d.books = d.make();
    BOOST_TEST(d.used() == 1U);
    BOOST_TEST(d.rcpt("i1", "a").repeated);
}

BOOST_AUTO_TEST_CASE(a_full_store_fails_the_turn_and_the_next_one_works_after_a_sweep) {
    desk d;
    d.books.reset();
    d.counters.reset();
    d.counters = open_store(d.dir / "small", durability::background, 256U << 10U);
    d.books = d.make();
    int stored = 0;
    result<admit_answer> outcome{admit_answer{}};
    while (stored < 5000) {
        const auto name = std::to_string(stored);
        outcome =
            run(d.io,
                admit_committed(
                    *d.books, {desk::id(name), 1, name, "a", {{"account:" + name, {five_recipients}}}, false, false}));
        if (!outcome) break;
        ++stored;
    }
    BOOST_REQUIRE(!outcome.has_value());
    BOOST_TEST(outcome.error().code == errc::disk_full);
    BOOST_TEST(d.used(five_recipients, "account:0") == 1U);
    d.clock.advance(seconds{7200});
    while (d.sweep(20) != 0) {
    }
    (void)d.sweep(10000);
    BOOST_TEST(d.admitted("i1", "a"));
}

BOOST_AUTO_TEST_CASE(damaged_records_start_empty_and_say_so) {
    desk d;
    log_lines lines;
    BOOST_TEST(d.admitted("i1", "a"));
    {
        auto txn = d.counters->write();
        std::vector<std::string> keys;
        txn->scan("", "", [&](std::string_view key, std::string_view) {
            keys.emplace_back(key);
            return true;
        });
        for (const auto& key : keys)
            BOOST_REQUIRE(txn->put(key, "\1damaged").has_value());
        BOOST_REQUIRE(txn->commit().has_value());
    }
    BOOST_TEST(!d.rcpt("i1", "a").repeated);
    BOOST_TEST(d.used() == 1U);
    BOOST_TEST(lines.contain("damaged account record"));
    BOOST_TEST(lines.contain("damaged transaction record"));
}

BOOST_AUTO_TEST_CASE(refusals_of_one_incident_share_a_reference) {
    desk d;
    const auto record = [&](const char* subject, const char* recipient) { return d.refuse(subject, recipient); };
    const auto first = record("recipients per hour", "a");
    const auto began = d.clock.now();
    d.clock.advance(seconds{1800});
    BOOST_TEST(record("recipients per hour", "b") == first);
    BOOST_TEST(record("recipients per day", "b") != first);
    const auto event = d.books->explain(first).value();
    BOOST_REQUIRE(event.has_value());
    BOOST_TEST(event->count == 2U);
    BOOST_TEST(event->what.recipient == "b");
    BOOST_TEST(event->what.why == reason::limit);
    BOOST_TEST((event->first == began && event->last == d.clock.now()));
    d.clock.advance(seconds{1800});
    const auto second = record("recipients per hour", "c");
    BOOST_TEST(second != first);
    const auto list = d.books->refusals(alice, 10).value();
    BOOST_TEST(list.size() == 3U);
    BOOST_TEST(list.at(0).reference == second);
    BOOST_TEST(d.books->refusals("", 2)->size() == 2U);
    BOOST_TEST(d.books->refusals("bob", 9)->empty());
    BOOST_TEST(!d.books->explain("ZZZZZZZZ")->has_value());
    BOOST_TEST(!d.books->explain("not a reference")->has_value());
}

BOOST_AUTO_TEST_CASE(old_refusals_and_unused_accounts_are_swept) {
    desk d;
    const auto reference = d.refuse("recipients per hour", "a");
    BOOST_TEST(d.admitted("i1", "a"));
    d.eom("i1");
    BOOST_TEST(d.books->accounts(9)->size() == 1U);
    d.clock.advance(std::chrono::hours{24 * 89});
    d.sweep();
    BOOST_TEST(d.books->explain(reference)->has_value());
    BOOST_TEST(d.books->accounts(9)->empty());
    d.clock.advance(std::chrono::hours{48});
    d.sweep();
    BOOST_TEST(!d.books->explain(reference)->has_value());
    bool anything = false;
    d.counters->read()->scan("", "", [&](std::string_view, std::string_view) { return anything = true; });
    BOOST_TEST(!anything);
}

BOOST_AUTO_TEST_CASE(accounts_are_listed_with_their_use_those_seen_last_first) {
    desk d;
    for (const std::string name : {"a", "b", "c"}) {
        d.limits[0].key = "account:" + name;
        BOOST_TEST(d.admitted("i" + name, "r"));
        d.clock.advance(seconds{1});
    }
    const auto two = d.books->accounts(2).value();
    BOOST_REQUIRE(two.size() == 2U);
    BOOST_TEST(two[0].account == "c");
    BOOST_TEST(two[1].account == "b");
    BOOST_TEST(two[0].use.at(0).used == 1U);
    BOOST_TEST((two[0].use.at(0).what == five_recipients));
    BOOST_TEST(d.books->accounts(0)->empty());
}

BOOST_AUTO_TEST_SUITE_END()
