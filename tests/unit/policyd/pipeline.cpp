// SPDX-License-Identifier: Apache-2.0
// The dialogues of a transaction's life (shared/state/accounting.hpp), and what the pipeline decides in one place.
#define BOOST_TEST_DYN_LINK
#include "rig.hpp"

using namespace postsluice;
using namespace postsluice::policyd;
using namespace postsluice::policyd::test;

BOOST_AUTO_TEST_SUITE(policyd_pipeline)

BOOST_FIXTURE_TEST_CASE(an_unknown_client_is_not_ours_and_charged_nothing, rig) {
    request what = rcpt("1.1", "a@example.net");
    what.sasl_username = "";
    BOOST_TEST(wire(what) == dunno);
    BOOST_TEST(accounts.calls.empty());
    BOOST_TEST(counters::of(asks.counts().decided, reason::not_ours) == 1U);
}

BOOST_FIXTURE_TEST_CASE(an_unknown_client_gets_a_ticket_for_nobody, rig) {
    request what = data("1.1", 2);
    what.sasl_username = "";
    const auto answer = ask(what);
    BOOST_REQUIRE(answer.kind == decision_kind::prepend);
    const auto t = tickets->unseal(answer.text);
    BOOST_REQUIRE(t);
    BOOST_TEST(t->account == "-");
    BOOST_TEST(accounts.calls.empty());
}

BOOST_FIXTURE_TEST_CASE(other_stages_are_answered_dunno_and_charged_nothing, rig) {
    (void)ask(rcpt("1.1", "a@example.net"));
    const auto before = accounts.calls;
    for (const auto at : {stage::other, stage::rcpt, stage::data, stage::end_of_message}) {
        BOOST_TEST_CONTEXT(at) {
            request what = rcpt("", "b@example.net"); // VRFY, ETRN, MAIL, CONNECT come without an instance
            what.at = at;
            BOOST_TEST(wire(what) == dunno);
        }
    }
    request vrfy = rcpt("9.9", "b@example.net");
    vrfy.at = stage::other;
    BOOST_TEST(wire(vrfy) == dunno);
    BOOST_TEST(accounts.calls == before); // and nothing was released
}

BOOST_FIXTURE_TEST_CASE(the_recipient_after_the_limit_is_refused_with_limit_use_and_time, rig) {
    BOOST_TEST(wire(rcpt("1.1", "a@example.net")) == dunno);
    time.advance(seconds{100});
    BOOST_TEST(wire(rcpt("1.1", "b@example.net")) == dunno);
    BOOST_TEST(wire(rcpt("1.1", "c@example.net")) == dunno);
    BOOST_TEST(wire(rcpt("1.1", "d@example.net")) == "action=450 4.7.1 3 of 3 recipients per hour used; next in 3500 "
                                                     "s; see https://example.org/policy ref REF10001\n\n");
    BOOST_TEST(recipients() == 3U);
    BOOST_TEST(logged("refused") == 1);
    BOOST_REQUIRE(accounts.recorded.size() == 1U);
    BOOST_TEST(accounts.recorded[0].subject == "recipients per hour");
    BOOST_TEST(accounts.recorded[0].recipient == "d@example.net");
    BOOST_TEST(!accounts.recorded[0].observed);
    time.advance(seconds{3500});
    BOOST_TEST(wire(rcpt("1.1", "d@example.net")) == dunno); // at the stated time it passes
}

BOOST_FIXTURE_TEST_CASE(without_a_contact_none_is_said, rig) {
    configure([](config::settings& s, config::profile& p) {
        s.contact.clear();
        p.limits = {{0, limit_unit::recipients, seconds{3600}}};
    });
    BOOST_TEST(wire(rcpt("1.1", "a@example.net")) ==
               "action=450 4.7.1 0 of 0 recipients per hour used; none are allowed ref REF10001\n\n");
}

BOOST_FIXTURE_TEST_CASE(messages_are_counted_once_per_transaction, rig) {
    (void)ask(rcpt("1.1", "a@example.net"));
    (void)ask(rcpt("1.1", "b@example.net"));
    BOOST_TEST(messages() == 1U);
    (void)ask(data("1.1", 2));
    (void)ask(end_of_message("1.1", 2));
    configure([](config::settings&, config::profile& p) { p.limits[0].count = 100; });
    BOOST_TEST(wire(rcpt("1.2", "a@example.net")) == dunno);
    (void)ask(data("1.2", 1));
    (void)ask(end_of_message("1.2", 1));
    BOOST_TEST(wire(rcpt("1.3", "a@example.net"))
                   .starts_with("action=450 4.7.1 2 of 2 messages per hour used; next in 3600 s"));
}

BOOST_FIXTURE_TEST_CASE(a_retry_on_another_connection_is_charged_once, rig) {
    BOOST_TEST(wire(rcpt("1.1", "a@example.net"), first) == dunno);
    BOOST_TEST(wire(rcpt("1.1", "a@example.net"), second) == dunno);
    BOOST_TEST(recipients() == 1U);
    close(first); // superseded: releases nothing
    BOOST_TEST(recipients() == 1U);
    close(second);
    BOOST_TEST(recipients() == 0U);
    BOOST_TEST(messages() == 0U);
}

BOOST_FIXTURE_TEST_CASE(another_instance_on_the_connection_releases_the_one_before, rig) {
    (void)ask(rcpt("1.1", "a@example.net"));
    (void)ask(rcpt("1.1", "b@example.net"));
    BOOST_TEST(wire(rcpt("1.2", "c@example.net")) == dunno);
    BOOST_TEST(recipients() == 1U);
    BOOST_TEST(messages() == 1U);
}

BOOST_FIXTURE_TEST_CASE(a_settled_transaction_is_not_released_and_costs_no_verb, rig) {
    (void)ask(rcpt("1.1", "a@example.net"));
    (void)ask(data("1.1", 1));
    (void)ask(end_of_message("1.1", 1));
    (void)ask(rcpt("1.2", "b@example.net"));
    const std::vector<std::string> expected = {"admit a@example.net", "data 1", "settle 1234", "admit b@example.net"};
    BOOST_TEST(accounts.calls == expected, boost::test_tools::per_element());
    BOOST_TEST(recipients() == 2U);
}

BOOST_FIXTURE_TEST_CASE(a_refused_transaction_leaves_nothing_to_release, rig) {
    locks.book["alice@example.org"] = {lock_kind::manual, time.now(), {}, 0, {}, "", "root", ""};
    (void)ask(rcpt("1.1", "a@example.net"));
    close(first);
    BOOST_TEST(accounts.calls.empty());
}

BOOST_FIXTURE_TEST_CASE(data_refunds_what_others_refused_and_reserves_what_was_never_asked, rig) {
    (void)ask(rcpt("1.1", "a@example.net"));
    (void)ask(rcpt("1.1", "b@example.net"));
    BOOST_TEST(ask(data("1.1", 1)).kind == decision_kind::prepend);
    BOOST_TEST(recipients() == 1U);
    (void)ask(end_of_message("1.1", 1));
    (void)ask(rcpt("1.2", "c@example.net"));
    BOOST_TEST(ask(data("1.2", 2)).kind == decision_kind::prepend); // RCPT TO:<postmaster> never asks
    BOOST_TEST(recipients() == 3U);
}

BOOST_FIXTURE_TEST_CASE(data_may_refuse_what_was_never_asked, rig) {
    BOOST_TEST(wire(data("1.1", 4)).starts_with("action=450 4.7.1 0 of 3 recipients per hour used"));
    BOOST_TEST(recipients() == 0U);
    BOOST_TEST(asks.counts().tickets == 0U);
}

BOOST_FIXTURE_TEST_CASE(what_data_holds_is_held_and_what_rcpt_held_has_its_ticket, rig) {
    configure([](config::settings&, config::profile& p) { p.limits[0].then = limit_action::hold; });
    BOOST_TEST(wire(data("1.1", 4)).starts_with("action=HOLD 0 of 3 recipients per hour used"));
    BOOST_TEST(asks.counts().tickets == 0U);

    for (const auto* to : {"a@example.net", "b@example.net", "c@example.net"})
        (void)ask(rcpt("1.2", to));
    BOOST_TEST(wire(rcpt("1.2", "d@example.net")).starts_with("action=HOLD "));
    BOOST_TEST((ask(data("1.2", 5)).kind == decision_kind::prepend)); // one more than RCPT was asked about
}

BOOST_FIXTURE_TEST_CASE(the_ticket_says_who_and_what, rig) {
    (void)ask(rcpt("1.1", "a@example.net"));
    const auto answer = ask(data("1.1", 1, "4XyZ"));
    BOOST_REQUIRE(answer.kind == decision_kind::prepend);
    BOOST_TEST(answer.header == "X-Postsluice-Ticket");
    BOOST_TEST(to_wire(answer).starts_with("action=PREPEND X-Postsluice-Ticket: v1 "));
    const auto t = tickets->unseal(answer.text);
    BOOST_REQUIRE(t);
    const account::ticket expected{"alice@example.org", "192.0.2.7", "1.1", "4XyZ", 1, time.now(), "alice@example.org"};
    BOOST_TEST((*t == expected));
    BOOST_TEST(asks.counts().tickets == 1U);
}

BOOST_FIXTURE_TEST_CASE(without_a_queue_id_the_ticket_says_so, rig) {
    const auto t = tickets->unseal(ask(data("1.1", 1, "")).text);
    BOOST_REQUIRE(t);
    BOOST_TEST(t->queue_id == "-");
}

BOOST_FIXTURE_TEST_CASE(only_before_the_queue_a_ticket_names_the_transaction_that_may_be_given_back, rig) {
    BOOST_TEST(tickets->unseal(ask(data("1.1", 1, "")).text).value().server == "192.0.2.1:587");
    BOOST_TEST(tickets->unseal(ask(data("1.2", 1, "4XyZ")).text).value().server.empty());
}

BOOST_FIXTURE_TEST_CASE(a_ticket_that_fits_no_line_is_not_prepended, rig) {
    const std::string login(2000, 'l');
    request what = data("1.1", 1);
    what.sasl_username = login;
    BOOST_TEST(wire(what) == dunno);
    BOOST_TEST(asks.counts().tickets_failed == 1U);
    BOOST_TEST(logged("no ticket issued") == 1);
}

BOOST_FIXTURE_TEST_CASE(after_data_a_close_releases_only_where_end_of_message_is_asked, rig) {
    configure([](config::settings&, config::profile& p) {
        p.limits.assign(1, {100, limit_unit::recipients, seconds{3600}});
    });
    (void)ask(rcpt("1.1", "a@example.net"));
    (void)ask(data("1.1", 1));
    close(first);
    BOOST_TEST(recipients() == 1U); // nobody knows: charged
    (void)ask(rcpt("1.2", "a@example.net"));
    (void)ask(data("1.2", 1));
    (void)ask(end_of_message("1.2", 1));
    BOOST_TEST(recipients() == 2U);
    (void)ask(rcpt("1.3", "a@example.net"));
    BOOST_TEST(recipients() == 3U);
    close(first);
    BOOST_TEST(recipients() == 2U); // before DATA: released
    (void)ask(rcpt("1.4", "a@example.net"));
    (void)ask(data("1.4", 1));
    BOOST_TEST(recipients() == 3U);
    close(first);
    BOOST_TEST(recipients() == 2U); // after DATA, and END-OF-MESSAGE was seen at this place: aborted

    request other = rcpt("1.5", "a@example.net");
    other.server_port = "465"; // another place, where it was never seen
    (void)ask(other);
    request other_data = data("1.5", 1);
    other_data.server_port = "465";
    (void)ask(other_data);
    close(first);
    BOOST_TEST(recipients() == 3U);
}

BOOST_FIXTURE_TEST_CASE(what_comes_after_end_of_message_under_one_instance_is_a_new_message, rig) {
    (void)ask(rcpt("1.1", "a@example.net"));
    (void)ask(data("1.1", 1, "4A"));
    (void)ask(end_of_message("1.1", 1, "4A"));
    BOOST_TEST(wire(rcpt("1.1", "a@example.net")) == dunno);
    BOOST_TEST(recipients() == 2U);
    BOOST_TEST(messages() == 2U);
    BOOST_TEST(ask(data("1.1", 1, "4B")).kind == decision_kind::prepend);
    BOOST_TEST(wire(end_of_message("1.1", 1, "4B")) == dunno);
    BOOST_TEST(recipients() == 2U);
}

BOOST_FIXTURE_TEST_CASE(end_of_message_is_always_dunno, rig) {
    BOOST_TEST(wire(end_of_message("0.0", 5)) == dunno); // never heard of
    (void)ask(rcpt("1.1", "a@example.net"));
    (void)ask(data("1.1", 1));
    accounts.broken = failure{errc::disk_full, "counters"};
    BOOST_TEST(wire(end_of_message("1.1", 1)) == dunno);
    BOOST_TEST(asks.counts().trouble == 1U);
    BOOST_TEST(logged("state trouble") == 1);
}

BOOST_FIXTURE_TEST_CASE(accounting_by_data_settles_at_data, rig) {
    configure([](config::settings& s, config::profile&) { s.policyd.accounting = config::accounting_mode::data; });
    (void)ask(rcpt("1.1", "a@example.net"));
    (void)ask(data("1.1", 1));
    close(first);
    const std::vector<std::string> expected = {"admit a@example.net", "data 1"};
    BOOST_TEST(accounts.calls == expected, boost::test_tools::per_element());
    BOOST_TEST(recipients() == 1U);
}

BOOST_FIXTURE_TEST_CASE(accounting_by_recipient_charges_for_good, rig) {
    configure([](config::settings& s, config::profile&) { s.policyd.accounting = config::accounting_mode::recipient; });
    (void)ask(rcpt("1.1", "a@example.net"));
    close(first);
    BOOST_TEST(recipients() == 1U);
    (void)ask(rcpt("1.2", "b@example.net"));
    (void)ask(data("1.2", 1));
    BOOST_TEST(wire(end_of_message("1.2", 1)) == dunno);
    BOOST_TEST(recipients() == 2U);
    BOOST_TEST(accounts.calls.back() == "data 1");
}

BOOST_FIXTURE_TEST_CASE(the_first_refusal_wins_and_nothing_is_charged, rig) {
    locks.book["alice@example.org"] = {lock_kind::permanent,   time.now(),   {}, 1, {},
                                       "5 spam in 10 minutes", "postsluice", "E"};
    request forged = rcpt("1.1", "a@example.net");
    forged.sender = "boss@bank.example";
    const auto answer = ask(forged);
    BOOST_TEST(answer.why == reason::account_locked);
    BOOST_TEST(accounts.calls.empty());
    BOOST_TEST(counters::of(asks.counts().decided, reason::account_locked) == 1U);
    BOOST_TEST(counters::of(asks.counts().decided, reason::from_forbidden) == 0U);
}

BOOST_FIXTURE_TEST_CASE(new_settings_hold_from_the_next_request_on, rig) {
    BOOST_TEST(wire(rcpt("1.1", "a@example.net")) == dunno);
    configure([](config::settings&, config::profile& p) { p.limits = {{1, limit_unit::recipients, seconds{3600}}}; });
    BOOST_TEST(wire(rcpt("1.1", "b@example.net")).starts_with("action=450 4.7.1 1 of 1 recipients per hour used"));
}

// ---- trouble with state

BOOST_FIXTURE_TEST_CASE(trouble_with_state_does_what_on_error_says, rig) {
    struct row {
        const char* where;
        bool lock_book, data;
    };
    for (const auto& r : {row{"lock", true, false}, row{"limits", false, false}, row{"limits", false, true}}) {
        for (const auto policy : {config::error_policy::defer, config::error_policy::dunno}) {
            BOOST_TEST_CONTEXT(r.where << (r.data ? " at DATA" : " at RCPT") << " dunno "
                                       << (policy == config::error_policy::dunno)) {
                rig fresh;
                fresh.configure([&](config::settings& s, config::profile&) { s.policyd.on_error = policy; });
                (r.lock_book ? fresh.locks.broken : fresh.accounts.broken) = failure{errc::unavailable, "gone"};
                const auto answer = fresh.ask(r.data ? data("1.1", 1) : rcpt("1.1", "a@example.net"));
                if (policy == config::error_policy::defer) {
                    BOOST_TEST(to_wire(answer) ==
                               "action=451 4.3.0 the policy service has a temporary problem; try again later\n\n");
                } else {
                    BOOST_TEST(answer.kind == (r.data ? decision_kind::prepend : decision_kind::dunno));
                }
                BOOST_TEST(fresh.asks.counts().trouble >= 1U);
                BOOST_TEST(counters::of(fresh.asks.counts().decided, reason::state_unavailable) >= 1U);
                BOOST_TEST(fresh.logged(std::string{"where="} + r.where) >= 1);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(what_was_charged_and_is_not_committed_does_what_on_error_says) {
    for (const auto policy : {config::error_policy::defer, config::error_policy::dunno}) {
        BOOST_TEST_CONTEXT("dunno " << (policy == config::error_policy::dunno)) {
            rig r;
            r.configure([&](config::settings& s, config::profile&) { s.policyd.on_error = policy; });
            (void)r.ask(rcpt("1.1", "a@example.net"));
            BOOST_TEST(r.asks.counts().accepted == 1U);
            r.accounts.lost = failure{errc::disk_full, "counters"};
            const bool defers = policy == config::error_policy::defer;
            const auto at_rcpt = r.ask(rcpt("1.1", "b@example.net")), at_data = r.ask(data("1.1", 2));
            BOOST_TEST(to_wire(at_rcpt).starts_with(defers ? "action=451 4.3.0 " : dunno));
            BOOST_TEST((at_data.kind == (defers ? decision_kind::reject : decision_kind::prepend)));
            BOOST_TEST(r.logged("where=limits") == 2);
            BOOST_TEST(r.asks.counts().accepted == (defers ? 1U : 3U));
            BOOST_TEST(r.wire(end_of_message("1.1", 2)) == dunno);
            BOOST_TEST(r.logged("where=settle") == 1);
            BOOST_TEST(r.wire(rcpt("1.2", "abuse@example.org")) == dunno); // always open
        }
    }
}

BOOST_FIXTURE_TEST_CASE(what_observe_mode_charged_and_lost_refuses_nobody, rig) {
    configure([](config::settings& s, config::profile&) { s.mode = config::run_mode::observe; });
    accounts.lost = failure{errc::disk_full, "counters"};
    BOOST_TEST(wire(rcpt("1.1", "a@example.net")) == dunno);
    BOOST_TEST(asks.counts().trouble == 1U);
}

// One connection, one client after the other: nothing of the one is left for the next.
BOOST_FIXTURE_TEST_CASE(a_connection_that_serves_another_client_decides_anew_who_it_is, rig) {
    (void)ask(rcpt("1.1", "a@example.net"));
    auto other = rcpt("1.2", "b@example.net");
    other.sasl_username = "bob@example.org";
    other.sender = "bob@example.org";
    BOOST_TEST(wire(other) == dunno);
    BOOST_TEST(recipients() == 0U); // the message before was left behind: released
    BOOST_TEST(accounts.used("account:bob@example.org", {limit::unlimited, limit_unit::recipients, seconds{3600}}) ==
               1U);
    auto stranger = rcpt("1.3", "c@example.net");
    stranger.sasl_username = "";
    BOOST_TEST(wire(stranger) == dunno);
    BOOST_TEST(counters::of(asks.counts().decided, reason::not_ours) == 1U);
    // The same client under other settings.
    configure([](config::settings& s, config::profile&) { s.default_domain = "example.com"; });
    stranger.instance = "1.4";
    stranger.sasl_username = "carol";
    stranger.sender = "carol@example.com";
    BOOST_TEST(wire(stranger) == dunno);
    configure([](config::settings& s, config::profile&) { s.default_domain = "example.edu"; });
    stranger.instance = "1.5";
    BOOST_TEST(wire(stranger).starts_with("action=550 5.7.1 "));
}

BOOST_FIXTURE_TEST_CASE(a_refusal_that_cannot_be_recorded_is_refused_all_the_same, rig) {
    accounts.record_broken = failure{errc::disk_full, ""};
    request forged = rcpt("1.1", "a@example.net");
    forged.sender = "boss@bank.example";
    const auto wired = wire(forged);
    BOOST_TEST(wired.starts_with("action=550 5.7.1 "));
    BOOST_TEST(wired.find(" ref ") == std::string::npos);
    BOOST_TEST(logged("refusal not recorded") == 1);
}

BOOST_FIXTURE_TEST_CASE(an_abort_that_fails_is_logged_and_left_to_the_lease, rig) {
    (void)ask(rcpt("1.1", "a@example.net"));
    accounts.broken = failure{errc::timed_out, ""};
    close(first);
    BOOST_TEST(logged("abort failed") == 1);
}

// ---- observe mode

BOOST_AUTO_TEST_CASE(observe_mode_decides_counts_records_and_refuses_nothing) {
    for (const bool whole_server : {true, false}) {
        BOOST_TEST_CONTEXT("whole server " << whole_server) {
            rig r;
            r.configure([&](config::settings& s, config::profile& p) {
                (whole_server ? s.mode = config::run_mode::observe : s.mode);
                p.observe = !whole_server;
                p.lock.after = {{1, strike_kind::limit, seconds{3600}}};
            });
            for (const auto* to : {"a@x.example", "b@x.example", "c@x.example", "d@x.example"}) {
                BOOST_TEST(r.wire(rcpt("1.1", to)) == dunno);
            }
            BOOST_TEST(r.recipients() == 4U); // what is sent is counted
            BOOST_REQUIRE(r.accounts.recorded.size() == 1U);
            BOOST_TEST(r.accounts.recorded[0].observed);
            BOOST_TEST(counters::of(r.asks.counts().observed, reason::limit) == 1U);
            BOOST_TEST(counters::of(r.asks.counts().decided, reason::limit) == 0U);
            BOOST_TEST(r.logged("would refuse") == 1);
            BOOST_TEST(r.locks.strikes.empty()); // nothing was refused, so nothing is held against the account
            BOOST_TEST(r.ask(data("1.1", 4)).kind == decision_kind::prepend);
        }
    }
}

BOOST_FIXTURE_TEST_CASE(observe_mode_reports_the_first_refusal_only, rig) {
    configure([](config::settings& s, config::profile& p) {
        s.mode = config::run_mode::observe;
        p.limits[0].count = 0;
    });
    locks.book["alice@example.org"] = {lock_kind::permanent, time.now(), {}, 1, {}, "1 virus", "postsluice", "E"};
    request forged = rcpt("1.1", "a@example.net");
    forged.sender = "boss@bank.example";
    BOOST_TEST(wire(forged) == dunno);
    BOOST_REQUIRE(accounts.recorded.size() == 1U);
    BOOST_TEST(accounts.recorded[0].why == reason::account_locked);
    BOOST_TEST(recipients() == 1U);
}

BOOST_FIXTURE_TEST_CASE(observe_mode_refuses_nothing_when_state_is_broken_either, rig) {
    configure([](config::settings& s, config::profile&) { s.mode = config::run_mode::observe; });
    accounts.broken = locks.broken = failure{errc::unavailable, ""};
    BOOST_TEST(wire(rcpt("1.1", "a@example.net")) == dunno);
    BOOST_TEST(ask(data("1.1", 1)).kind == decision_kind::prepend);
}

// ---- abuse_address

BOOST_FIXTURE_TEST_CASE(the_abuse_address_is_reachable_whatever_is_against_it, rig) {
    locks.book["alice@example.org"] = {lock_kind::permanent, time.now(), {}, 1, {}, "1 virus", "postsluice", "E"};
    request what = rcpt("1.1", "Abuse@Example.ORG");
    what.sender = "boss@bank.example";
    BOOST_TEST(wire(what) == dunno);
    BOOST_TEST(accounts.recorded.empty());
    accounts.broken = failure{errc::unavailable, ""};
    BOOST_TEST(wire(what) == dunno);
    request at_data = data("1.1", 1);
    at_data.recipient = "abuse@example.org";
    BOOST_TEST(ask(at_data).kind == decision_kind::prepend);
}

BOOST_FIXTURE_TEST_CASE(mail_to_the_abuse_address_passes_an_exhausted_limit_uncounted, rig) {
    for (const auto* to : {"a@x.example", "b@x.example", "c@x.example"}) {
        (void)ask(rcpt("1.1", to));
    }
    (void)ask(data("1.1", 3));
    (void)ask(end_of_message("1.1", 3));
    BOOST_TEST(wire(rcpt("1.2", "abuse@example.org")) == dunno);
    BOOST_TEST(ask(data("1.2", 1)).kind == decision_kind::prepend);
    BOOST_TEST(wire(end_of_message("1.2", 1)) == dunno);
    BOOST_TEST(recipients() == 3U);
    BOOST_TEST(messages() == 1U);
    // A retry of DATA on a new connection knows nothing of the RCPT, but Postfix names the only recipient.
    request retried = data("1.3", 1);
    retried.recipient = "abuse@example.org";
    BOOST_TEST(ask(retried, second).kind == decision_kind::prepend);
    BOOST_TEST(recipients() == 3U);
}

BOOST_FIXTURE_TEST_CASE(the_abuse_address_opens_the_limit_for_nobody_else, rig) {
    for (const auto* to : {"a@x.example", "b@x.example", "c@x.example"}) {
        (void)ask(rcpt("1.1", to));
    }
    (void)ask(data("1.1", 3));
    (void)ask(end_of_message("1.1", 3));
    (void)ask(rcpt("1.2", "abuse@example.org"));
    BOOST_TEST(wire(rcpt("1.2", "d@x.example")).starts_with("action=450"));
    BOOST_TEST(recipients() == 3U);
    time.advance(seconds{3600});
    (void)ask(rcpt("1.3", "abuse@example.org")); // fits: counted like any other
    BOOST_TEST(recipients() == 1U);
}

BOOST_FIXTURE_TEST_CASE(a_mixed_message_does_not_pay_for_the_abuse_address, rig) {
    configure([](config::settings&, config::profile& p) {
        p.limits.assign(1, {1, limit_unit::recipients, seconds{3600}});
    });
    BOOST_TEST(wire(rcpt("1.1", "a@x.example")) == dunno);
    BOOST_TEST(wire(rcpt("1.1", "abuse@example.org")) == dunno);
    BOOST_TEST(ask(data("1.1", 2)).kind == decision_kind::prepend);
    BOOST_TEST(accounts.calls.back() == "data 1");
    BOOST_TEST(recipients() == 1U);
}

// ---- strikes

BOOST_FIXTURE_TEST_CASE(a_limit_refusal_is_one_strike_per_incident_where_the_profile_asks, rig) {
    configure([](config::settings&, config::profile& p) {
        p.limits = {{0, limit_unit::recipients, seconds{3600}}};
        p.lock.after = {{3, strike_kind::limit, seconds{3600}}};
    });
    (void)ask(rcpt("1.1", "a@example.net"));
    (void)ask(rcpt("1.1", "a@example.net"));
    (void)ask(rcpt("1.2", "b@example.net"));
    BOOST_REQUIRE(locks.strikes.size() == 1U);
    BOOST_TEST(locks.strikes[0].first == "alice@example.org");
    BOOST_TEST(locks.strikes[0].second.kind == strike_kind::limit);
    BOOST_TEST(locks.strikes[0].second.reference == "REF10001");
    BOOST_TEST(!locks.strikes[0].second.digest.empty());
}

BOOST_FIXTURE_TEST_CASE(other_refusals_and_other_profiles_strike_nobody, rig) {
    configure([](config::settings&, config::profile& p) {
        p.limits = {{0, limit_unit::recipients, seconds{3600}}};
        p.lock.after = {{1, strike_kind::spam, seconds{3600}}};
    });
    (void)ask(rcpt("1.1", "a@example.net"));
    configure([](config::settings&, config::profile& p) { p.lock.after = {{1, strike_kind::limit, seconds{3600}}}; });
    request forged = rcpt("1.2", "a@example.net");
    forged.sender = "boss@bank.example";
    (void)ask(forged);
    BOOST_TEST(locks.strikes.empty());
}

BOOST_AUTO_TEST_SUITE_END()
