// SPDX-License-Identifier: Apache-2.0
// Which limits a transaction is held against, what they count, and what becomes of the count where limits change.
#define BOOST_TEST_DYN_LINK
#include "accounting_desk.hpp"

using namespace postsluice;
using namespace postsluice::state;
using namespace postsluice::state::test;

BOOST_AUTO_TEST_SUITE(accounting_limits_test)

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

BOOST_AUTO_TEST_SUITE_END()
