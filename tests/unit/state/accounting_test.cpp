// SPDX-License-Identifier: Apache-2.0
// The life of a transaction as dialogues, one for each rule of reservation.
#define BOOST_TEST_DYN_LINK
#include "accounting_desk.hpp"

using namespace postsluice;
using namespace postsluice::state;
using namespace postsluice::state::test;

BOOST_AUTO_TEST_SUITE(accounting_test)

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

BOOST_AUTO_TEST_SUITE_END()
