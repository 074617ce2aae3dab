// SPDX-License-Identifier: Apache-2.0
// The life of a transaction as dialogues, one for each rule of reservation.
#define BOOST_TEST_DYN_LINK
#include "committed.hpp"
#include "fixture.hpp"

#include "shared/state/accounting_lmdb.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

using namespace postsluice;
using namespace postsluice::state;
using namespace postsluice::state::test;
namespace asio = boost::asio;

namespace {

const limit five_recipients{5, limit_unit::recipients, seconds{3600}};
const limit two_messages{2, limit_unit::messages, seconds{3600}};
const std::string alice = "alice@example.org";

// One client of the accounting, that says what a policy session would say.
struct desk {
    temp_directory dir;
    manual_clock clock;
    asio::io_context io;
    std::unique_ptr<store> counters = open_store(dir / "counters", durability::background, 64U << 20U);
    std::unique_ptr<accounting_lmdb> books = make();
    std::vector<counted_limits> limits = {{"account:" + alice, {five_recipients}}};
    std::uint64_t connection = 1;
    bool observe = false, at_once = false, data_settles = false;

    std::unique_ptr<accounting_lmdb> make() {
        return std::make_unique<accounting_lmdb>(*counters, io.get_executor(), "0123456789abcdef", clock,
                                                 accounting_options{});
    }
    static transaction_id id(const std::string& instance) { return {"192.0.2.1:587", instance}; }

    admit_answer rcpt(const std::string& instance, const std::string& recipient) {
        auto a =
            run(io, admit_committed(*books, {id(instance), connection, alice, recipient, limits, observe, at_once}));
        BOOST_REQUIRE(a.has_value());
        return *a;
    }
    bool admitted(const std::string& instance, const std::string& recipient) {
        return !rcpt(instance, recipient).breach;
    }
    data_answer data(const std::string& instance, std::uint32_t count, const std::string& queue_id = "Q1") {
        auto a = run(io, data_committed(*books, {id(instance), connection, alice, queue_id, count, limits, observe,
                                                 data_settles, at_once}));
        BOOST_REQUIRE(a.has_value());
        return *a;
    }
    void eom(const std::string& instance, const std::string& queue_id = "Q1") {
        BOOST_REQUIRE(run(io, settle_committed(*books, id(instance), connection, queue_id, 1000)).has_value());
    }
    void abort(const std::string& instance, bool after_data_too = true) {
        BOOST_REQUIRE(run(io, abort_committed(*books, id(instance), connection, after_data_too)).has_value());
    }
    std::size_t sweep(std::size_t most = 1000) { return run(io, books->sweep(most)).value(); }
    std::string refuse(const std::string& subject, const std::string& recipient) {
        refusal what;
        what.account = alice;
        what.why = reason::limit;
        what.subject = subject;
        what.detail = "no";
        what.recipient = recipient;
        return run(io, books->record(what, seconds{3600})).value();
    }
    void add(limit l) {
        std::vector<limit> all{limits[0].limits.begin(), limits[0].limits.end()};
        all.push_back(std::move(l));
        limits[0].limits = std::move(all);
    }
    void set_count(std::uint64_t count) {
        std::vector<limit> all{limits[0].limits.begin(), limits[0].limits.end()};
        all[0].count = count;
        limits[0].limits = std::move(all);
    }
    std::uint64_t used(const limit& l = five_recipients, const std::string& key = "account:" + alice) {
        return books->usage({key, {l}}).value().at(0).used;
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(accounting_test)

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

BOOST_AUTO_TEST_CASE(the_recipient_after_the_limit_is_refused_with_use_and_time) {
    desk d;
    for (int i = 0; i < 5; ++i)
        BOOST_TEST(d.admitted("i1", std::to_string(i)));
    const auto refused = d.rcpt("i1", "5");
    BOOST_REQUIRE(refused.breach.has_value());
    BOOST_TEST(refused.breach->used == 5U);
    BOOST_TEST(refused.breach->key == "account:" + alice);
    BOOST_TEST((refused.breach->what == five_recipients));
    d.clock.set(refused.breach->frees - milliseconds{1});
    BOOST_TEST(!d.admitted("i2", "5"));
    d.clock.advance(milliseconds{1});
    BOOST_TEST(d.admitted("i3", "5"));
}

BOOST_AUTO_TEST_CASE(an_accepted_recipient_that_comes_again_is_admitted_and_charged_once) {
    desk d;
    BOOST_TEST(!d.rcpt("i1", "a").repeated);
    BOOST_TEST(d.rcpt("i1", "a").repeated);
    BOOST_TEST(d.used() == 1U);
    for (int i = 0; i < 4; ++i)
        BOOST_TEST(d.admitted("i1", std::to_string(i)));
    BOOST_TEST(d.admitted("i1", "a"));       // also at the limit
    BOOST_TEST(!d.rcpt("i2", "a").repeated); // another transaction is another charge
}

BOOST_AUTO_TEST_CASE(a_refused_recipient_is_decided_anew) {
    desk d;
    for (int i = 0; i < 5; ++i)
        BOOST_TEST(d.admitted("i1", std::to_string(i)));
    BOOST_TEST(!d.admitted("i2", "x"));
    BOOST_TEST(!d.admitted("i2", "x"));
    d.abort("i1");
    BOOST_TEST(d.admitted("i2", "x"));
    BOOST_TEST(d.used() == 1U);
}

BOOST_AUTO_TEST_CASE(the_same_instance_of_another_server_is_another_transaction) {
    desk d;
    BOOST_TEST(d.admitted("i1", "a"));
    const auto other =
        run(d.io, admit_committed(*d.books, {{"192.0.2.2:587", "i1"}, 1, alice, "a", d.limits, false, false}));
    BOOST_TEST(!other->repeated);
    BOOST_TEST(d.used() == 2U);
}

BOOST_AUTO_TEST_CASE(an_abort_before_data_releases_everything) {
    desk d;
    d.add(two_messages);
    BOOST_TEST(d.admitted("i1", "a"));
    BOOST_TEST(d.admitted("i1", "b"));
    BOOST_TEST(d.used(two_messages) == 1U);
    d.abort("i1");
    BOOST_TEST(d.used() == 0U);
    BOOST_TEST(d.used(two_messages) == 0U);
    d.abort("i1"); // and only once
    d.abort("unknown");
    BOOST_TEST(d.used() == 0U);
}

BOOST_AUTO_TEST_CASE(an_abort_after_data_releases_only_where_the_end_of_message_is_asked_about) {
    desk d;
    BOOST_TEST(d.admitted("i1", "a"));
    d.data("i1", 1);
    d.abort("i1", false);
    BOOST_TEST(d.used() == 1U);
    d.abort("i1", true);
    BOOST_TEST(d.used() == 0U);
}

BOOST_AUTO_TEST_CASE(nothing_releases_what_is_settled) {
    desk d;
    BOOST_TEST(d.admitted("i1", "a"));
    d.data("i1", 1);
    d.eom("i1");
    d.abort("i1");
    BOOST_TEST(d.used() == 1U);
    d.clock.advance(seconds{1200});
    d.sweep();
    BOOST_TEST(d.used() == 1U);
    d.eom("i1");
    d.eom("unknown");
    BOOST_TEST(d.used() == 1U);
}

BOOST_AUTO_TEST_CASE(a_connection_superseded_by_a_retry_releases_nothing) {
    desk d;
    BOOST_TEST(d.admitted("i1", "a"));
    d.connection = 2;
    BOOST_TEST(d.rcpt("i1", "a").repeated);
    d.connection = 1;
    d.abort("i1");
    BOOST_TEST(d.used() == 1U);
    d.connection = 2;
    d.abort("i1");
    BOOST_TEST(d.used() == 0U);
}

BOOST_AUTO_TEST_CASE(who_is_refused_last_also_spoke_last) {
    desk d;
    for (int i = 0; i < 5; ++i)
        BOOST_TEST(d.admitted("i1", std::to_string(i)));
    d.connection = 2;
    BOOST_TEST(!d.admitted("i1", "x"));
    d.connection = 1;
    d.abort("i1");
    BOOST_TEST(d.used() == 5U);
}

BOOST_AUTO_TEST_CASE(data_refunds_what_others_refused) {
    desk d;
    for (const char* r : {"a", "b", "c"})
        BOOST_TEST(d.admitted("i1", r));
    const auto answer = d.data("i1", 1);
    BOOST_TEST(answer.charged == 1U);
    BOOST_TEST(answer.refunded == 2U);
    BOOST_TEST(d.used() == 1U);
    const auto again = d.data("i1", 1); // the answer was lost: the same once more
    BOOST_TEST(again.charged == 1U);
    BOOST_TEST(again.refunded == 2U);
    BOOST_TEST(d.used() == 1U);
    d.abort("i1");
    BOOST_TEST(d.used() == 0U);
}

BOOST_AUTO_TEST_CASE(data_reserves_what_was_never_asked_about) {
    desk d;
    BOOST_TEST(d.admitted("i1", "a"));
    const auto answer = d.data("i1", 3); // RCPT TO:<postmaster>, twice
    BOOST_TEST(answer.charged == 3U);
    BOOST_TEST(d.used() == 3U);
    BOOST_TEST(d.data("i1", 3).charged == 3U);
    BOOST_TEST(d.used() == 3U);
}

BOOST_AUTO_TEST_CASE(data_for_an_unknown_transaction_reserves_and_may_refuse) {
    desk d;
    d.add(two_messages);
    const auto refused = d.data("i1", 6);
    BOOST_REQUIRE(refused.breach.has_value());
    BOOST_TEST(d.used() == 0U);
    BOOST_TEST(!d.data("i1", 5).breach.has_value());
    BOOST_TEST(d.used() == 5U);
    BOOST_TEST(d.used(two_messages) == 1U);
    d.abort("i1");
    BOOST_TEST(d.used() == 0U);
    BOOST_TEST(d.used(two_messages) == 0U);
}

BOOST_AUTO_TEST_CASE(a_refused_data_keeps_the_reservation_until_the_abort) {
    desk d;
    for (int i = 0; i < 4; ++i)
        BOOST_TEST(d.admitted("i1", std::to_string(i)));
    const auto refused = d.data("i1", 6);
    BOOST_REQUIRE(refused.breach.has_value());
    BOOST_TEST(refused.charged == 4U);
    BOOST_TEST(d.used() == 4U);
    d.abort("i1", false);
    BOOST_TEST(d.used() == 0U);
}

BOOST_AUTO_TEST_CASE(a_duplicate_that_postfix_counts_twice_is_charged_once) {
    desk d;
    for (const char* r : {"a", "b", "a"})
        BOOST_TEST(d.admitted("i1", r));
    BOOST_TEST(d.data("i1", 3).charged == 2U);
    BOOST_TEST(d.data("i1", 3).refunded == 0U);
    BOOST_TEST(d.used() == 2U);
}

BOOST_AUTO_TEST_CASE(a_service_in_two_lists_is_charged_once) {
    desk d;
    for (const char* r : {"a", "a", "b", "b"})
        BOOST_TEST(d.admitted("i1", r));
    const auto answer = d.data("i1", 2);
    BOOST_TEST(answer.charged == 2U);
    BOOST_TEST(answer.refunded == 0U);
    BOOST_TEST(d.used() == 2U);
}

BOOST_AUTO_TEST_CASE(a_recipient_refused_by_others_that_comes_again_is_charged_again) {
    desk d;
    BOOST_TEST(d.admitted("i1", "a"));
    BOOST_TEST(d.admitted("i1", "b"));
    BOOST_TEST(d.data("i1", 1).refunded == 1U);
    BOOST_TEST(d.admitted("i1", "b")); // DATA was refused by others too; the client goes on
    BOOST_TEST(d.data("i1", 2, "Q1").charged == 2U);
    BOOST_TEST(d.used() == 2U);
}

BOOST_AUTO_TEST_CASE(a_recipient_after_the_end_of_message_begins_a_new_generation) {
    desk d;
    d.add(two_messages);
    BOOST_TEST(d.admitted("i1", "a"));
    d.data("i1", 1, "Q1");
    d.eom("i1", "Q1");
    BOOST_TEST(!d.rcpt("i1", "a").repeated);
    BOOST_TEST(d.used() == 2U);
    BOOST_TEST(d.used(two_messages) == 2U);
    BOOST_TEST(d.data("i1", 2, "Q2").charged == 1U); // Postfix before 3.7.22 goes on counting
    d.abort("i1");
    BOOST_TEST(d.used() == 1U); // the first one stays
    BOOST_TEST(d.used(two_messages) == 1U);
}

BOOST_AUTO_TEST_CASE(data_after_the_end_of_message_begins_a_new_generation_even_without_queue_ids) {
    desk d;
    BOOST_TEST(d.data("i1", 2, "").charged == 2U);
    d.eom("i1", "");
    BOOST_TEST(d.data("i1", 2, "").charged == 2U);
    BOOST_TEST(d.used() == 4U);
    BOOST_TEST(d.data("i1", 2, "").charged == 2U); // this one is the same again
    BOOST_TEST(d.used() == 4U);
}

BOOST_AUTO_TEST_CASE(without_the_end_of_message_hook_data_settles_and_is_still_idempotent) {
    desk d;
    d.data_settles = true;
    BOOST_TEST(d.admitted("i1", "a"));
    d.data("i1", 1);
    BOOST_TEST(d.data("i1", 1).charged == 1U);
    BOOST_TEST(d.used() == 1U);
    d.abort("i1");
    BOOST_TEST(d.used() == 1U);
    BOOST_TEST(d.data("i1", 1, "Q2").charged == 1U); // another queue id: another message
    BOOST_TEST(d.used() == 2U);
}

BOOST_AUTO_TEST_CASE(accounting_at_rcpt_is_final) {
    desk d;
    d.at_once = true;
    BOOST_TEST(d.admitted("i1", "a"));
    BOOST_TEST(d.admitted("i1", "b"));
    d.abort("i1");
    BOOST_TEST(d.used() == 2U);
    BOOST_TEST(d.data("i1", 1).refunded == 0U);
    d.clock.advance(seconds{700});
    d.sweep();
    BOOST_TEST(d.used() == 2U);
}

BOOST_AUTO_TEST_CASE(a_lease_that_ends_before_data_releases) {
    desk d;
    BOOST_TEST(d.admitted("i1", "a"));
    d.clock.advance(seconds{599});
    d.sweep();
    BOOST_TEST(d.used() == 1U);
    d.clock.advance(seconds{1});
    d.sweep();
    BOOST_TEST(d.used() == 0U);
}

BOOST_AUTO_TEST_CASE(a_lease_is_renewed_by_each_request) {
    desk d;
    for (int i = 0; i < 5; ++i) {
        BOOST_TEST(d.admitted("i1", std::to_string(i)));
        d.clock.advance(seconds{400});
        d.sweep();
        BOOST_TEST(d.used() == static_cast<std::uint64_t>(i) + 1);
    }
    d.clock.advance(seconds{200});
    d.sweep();
    BOOST_TEST(d.used() == 0U);
}

BOOST_AUTO_TEST_CASE(a_lease_that_ends_after_data_charges) {
    desk d;
    BOOST_TEST(d.admitted("i1", "a"));
    d.data("i1", 1);
    d.clock.advance(seconds{600});
    d.sweep();
    BOOST_TEST(d.used() == 1U);
    d.abort("i1"); // too late
    BOOST_TEST(d.used() == 1U);
}

BOOST_AUTO_TEST_CASE(a_sweep_does_no_more_than_it_was_asked_to) {
    desk d;
    d.set_count(100);
    for (int i = 0; i < 20; ++i)
        BOOST_TEST(d.admitted("i" + std::to_string(i), "a"));
    d.clock.advance(seconds{600});
    BOOST_TEST(d.sweep(7) == 7U);
    BOOST_TEST(d.used() == 13U);
    for (int i = 0; i < 3; ++i)
        (void)d.sweep(7);
    BOOST_TEST(d.used() == 0U);
}

BOOST_AUTO_TEST_CASE(a_message_is_charged_with_its_first_recipient_only) {
    desk d;
    d.limits[0].limits = {two_messages};
    for (const char* r : {"a", "b", "c"})
        BOOST_TEST(d.admitted("i1", r));
    BOOST_TEST(d.admitted("i2", "a"));
    BOOST_TEST(!d.admitted("i3", "a"));
    BOOST_TEST(d.admitted("i2", "b")); // of a message that is charged already
    BOOST_TEST(d.used(two_messages) == 2U);
}

BOOST_AUTO_TEST_CASE(a_limit_of_any_scope_refuses_and_then_none_is_charged) {
    desk d;
    const limit tight{1, limit_unit::recipients, seconds{60}};
    d.limits.push_back({"domain:example.org", {tight}});
    BOOST_TEST(d.admitted("i1", "a"));
    const auto refused = d.rcpt("i1", "b");
    BOOST_REQUIRE(refused.breach.has_value());
    BOOST_TEST(refused.breach->key == "domain:example.org");
    BOOST_TEST(d.used() == 1U);
    BOOST_TEST(d.used(tight, "domain:example.org") == 1U);
    d.abort("i1");
    BOOST_TEST(d.used(tight, "domain:example.org") == 0U);
}

BOOST_AUTO_TEST_CASE(of_several_broken_limits_the_one_that_frees_last_is_named) {
    desk d;
    d.limits[0].limits = {{1, limit_unit::recipients, seconds{60}},
                          {1, limit_unit::recipients, seconds{86400}},
                          {1, limit_unit::recipients, seconds{3600}}};
    BOOST_TEST(d.admitted("i1", "a"));
    BOOST_TEST((d.rcpt("i1", "b").breach->what.period == seconds{86400}));
}

BOOST_AUTO_TEST_CASE(observing_charges_and_still_reports) {
    desk d;
    d.observe = true;
    for (int i = 0; i < 7; ++i)
        BOOST_TEST(d.rcpt("i1", std::to_string(i)).breach.has_value() == (i >= 5));
    BOOST_TEST(d.used() == 7U);
    BOOST_TEST(d.data("i1", 8).breach.has_value());
    BOOST_TEST(d.used() == 8U);
}

BOOST_AUTO_TEST_CASE(an_unlimited_limit_counts_and_never_refuses) {
    desk d;
    d.limits[0].limits = {{limit::unlimited, limit_unit::recipients, seconds{3600}}};
    for (int i = 0; i < 50; ++i)
        BOOST_TEST(d.admitted("i1", std::to_string(i)));
    BOOST_TEST(d.used() == 50U);
}

BOOST_AUTO_TEST_CASE(a_limit_of_none_refuses_and_states_a_time) {
    desk d;
    d.set_count(0);
    const auto refused = d.rcpt("i1", "a");
    BOOST_REQUIRE(refused.breach.has_value());
    BOOST_TEST((refused.breach->frees == d.clock.now() + seconds{3600}));
}

BOOST_AUTO_TEST_CASE(a_limit_that_leaves_the_configuration_and_comes_back_remembers) {
    desk d;
    const limit per_day{5, limit_unit::recipients, seconds{86400}};
    BOOST_TEST(d.admitted("i1", "a"));
    d.limits[0].limits = {per_day};
    BOOST_TEST(d.admitted("i1", "b"));
    BOOST_TEST(d.used() == 1U);
    BOOST_TEST(d.used(per_day) == 1U);
    d.limits[0].limits = {five_recipients, per_day};
    BOOST_TEST(d.admitted("i1", "c"));
    BOOST_TEST(d.used() == 2U);
    d.limits[0].limits = {two_messages};
    d.abort("i1");
    BOOST_TEST(d.used() == 0U);
    BOOST_TEST(d.used(per_day) == 0U);
}

BOOST_AUTO_TEST_CASE(a_new_number_of_a_limit_applies_to_what_is_counted_already) {
    desk d;
    for (int i = 0; i < 5; ++i)
        BOOST_TEST(d.admitted("i1", std::to_string(i)));
    d.set_count(6);
    BOOST_TEST(d.admitted("i1", "6"));
    d.set_count(3);
    BOOST_TEST(d.rcpt("i1", "7").breach->used == 6U);
}

BOOST_AUTO_TEST_CASE(limits_that_cannot_be_kept_are_refused_and_leave_the_turn_whole) {
    desk d;
    auto many = d.limits;
    std::vector<limit> sixty;
    for (int i = 0; i < 60; ++i)
        sixty.push_back({1, limit_unit::messages, seconds{60 + i}});
    many[0].limits = sixty;
    auto twice = d.limits;
    twice.push_back(twice[0]);
    result<admit_answer> good{admit_answer{}};
    asio::co_spawn(d.io, admit_committed(*d.books, {desk::id("i1"), 1, alice, "a", d.limits, false, false}),
                   [&](std::exception_ptr, result<admit_answer> a) { good = std::move(a); });
    BOOST_TEST(run(d.io, admit_committed(*d.books, {desk::id("i2"), 1, alice, "a", many, false, false})).error().code ==
               errc::too_large);
    BOOST_TEST(
        run(d.io, admit_committed(*d.books, {desk::id("i2"), 1, alice, "a", twice, false, false})).error().code ==
        errc::malformed);
    BOOST_TEST(good.has_value());
    BOOST_TEST(d.used() == 1U);
}

BOOST_AUTO_TEST_CASE(a_reset_forgets_and_late_refunds_do_not_touch_what_came_after) {
    desk d;
    for (const char* r : {"a", "b", "c"})
        BOOST_TEST(d.admitted("i1", r));
    BOOST_REQUIRE(run(d.io, d.books->reset(alice)).has_value());
    BOOST_TEST(d.used() == 0U);
    BOOST_TEST(d.admitted("i2", "a"));
    d.abort("i1");
    BOOST_TEST(d.used() == 1U);
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
