// SPDX-License-Identifier: Apache-2.0
// Observe mode of single rules, on_error of single rules, which rule it was, totals of accounts, and what the log says
// of misplacement.
#define BOOST_TEST_DYN_LINK
#include "policyd/misplacement.hpp"

#include "rig.hpp"

using namespace postsluice;
using namespace postsluice::policyd;
using namespace postsluice::policyd::test;

BOOST_AUTO_TEST_SUITE(policyd_observe)

BOOST_FIXTURE_TEST_CASE(an_observed_rule_refuses_nothing_while_the_others_do, rig) {
    configure([](config::settings&, config::profile& p) { p.observe_rules = {"from_address"}; });
    request forged = rcpt("1.1", "a@example.net");
    forged.sender = "ceo@bank.example";
    BOOST_TEST(wire(forged) == dunno);
    BOOST_REQUIRE(accounts.recorded.size() == 1U);
    BOOST_TEST(accounts.recorded[0].observed);
    BOOST_TEST(accounts.recorded[0].rule == "from_address");
    BOOST_TEST(logged("would refuse") == 1);
    BOOST_TEST(counters::of(asks.counts().observed, reason::from_forbidden) == 1U);
    BOOST_TEST(recipients() == 1U); // it went through, and is charged
    (void)ask(rcpt("1.1", "b@example.net"));
    (void)ask(rcpt("1.1", "c@example.net"));
    forged.recipient = "d@example.net"; // forged, and over the limit: both are told, the second one refuses
    const auto said = ask(forged);
    BOOST_TEST(said.refuses());
    BOOST_TEST(said.rule == "limits");
    BOOST_TEST(accounts.recorded.size() == 3U);
    BOOST_TEST(!accounts.recorded.back().observed);
    BOOST_TEST(recipients() == 3U);
}

BOOST_FIXTURE_TEST_CASE(observed_limits_are_charged_although_reached, rig) {
    configure([](config::settings&, config::profile& p) { p.observe_rules = {"limits"}; });
    for (const char* to : {"a@x.example", "b@x.example", "c@x.example", "d@x.example", "e@x.example"}) {
        BOOST_TEST(wire(rcpt("1.1", to)) == dunno);
    }
    BOOST_TEST(recipients() == 5U);
    BOOST_TEST(counters::of(asks.counts().observed, reason::limit) == 2U);
    BOOST_TEST(ask(data("1.1", 6)).kind == decision_kind::prepend); // one more than was asked about
    BOOST_TEST(recipients() == 6U);
    request forged = rcpt("2.2", "a@example.net");
    forged.sender = "ceo@bank.example";
    BOOST_TEST(ask(forged).refuses()); // that rule is in force
}

BOOST_FIXTURE_TEST_CASE(trouble_in_a_rule_follows_on_error_of_where_it_names_the_rule, rig) {
    accounts.broken = failure{errc::unavailable, "disk"};
    struct {
        config::error_policy all;
        std::map<std::string, config::error_policy> of;
        bool refuses;
    } const rows[] = {
        {config::error_policy::defer, {}, true},
        {config::error_policy::defer, {{"limits", config::error_policy::dunno}}, false},
        {config::error_policy::defer, {{"lock", config::error_policy::dunno}}, true},
        {config::error_policy::dunno, {{"limits", config::error_policy::defer}}, true},
        {config::error_policy::dunno, {}, false},
    };
    int n = 0;
    for (const auto& r : rows) {
        BOOST_TEST_CONTEXT(n++) {
            configure([&](config::settings& s, config::profile&) {
                s.policyd.on_error = r.all;
                s.policyd.on_error_of = r.of;
            });
            BOOST_TEST(ask(rcpt("1.1", "a@example.net")).refuses() == r.refuses);
        }
    }
}

BOOST_FIXTURE_TEST_CASE(totals_tell_what_was_accepted_refused_and_observed, rig) {
    for (const char* to : {"a@x.example", "b@x.example", "c@x.example", "d@x.example"}) {
        (void)ask(rcpt("1.1", to));
    }
    (void)ask(data("1.1", 3));
    const auto* of = asks.totals().find("alice@example.org");
    BOOST_REQUIRE(of != nullptr);
    BOOST_TEST(of->recipients == 3U);
    BOOST_TEST(of->refused == 1U);
    BOOST_TEST(of->messages == 1U);
    BOOST_TEST(of->observed == 0U);
    BOOST_TEST(asks.totals().find("bob@example.org") == nullptr);
}

BOOST_AUTO_TEST_CASE(totals_are_bounded) {
    account_totals all;
    for (std::size_t n = 0; n <= account_totals::most; ++n) {
        all.message("a" + std::to_string(n), instant{});
    }
    std::size_t known = 0;
    for (std::size_t n = 0; n <= account_totals::most; ++n) {
        known += all.find("a" + std::to_string(n)) != nullptr ? 1U : 0U;
    }
    BOOST_TEST(known == account_totals::most);
}

BOOST_FIXTURE_TEST_CASE(traffic_without_logins_is_complained_of_once_an_hour, rig) {
    misplacement look;
    look.look(time.now(), *asks.settings(), asks.counts(), asks.hooks());
    request unknown = rcpt("1.1", "a@example.net");
    unknown.sasl_username = "";
    const auto hour = [&](int requests) {
        for (int n = 0; n < requests; ++n) {
            (void)ask(unknown);
        }
        for (int minute = 0; minute < 60; ++minute) {
            time.advance(seconds{60});
            look.look(time.now(), *asks.settings(), asks.counts(), asks.hooks());
        }
    };
    hour(19); // too few to tell
    BOOST_TEST(logged("SASL login") == 0);
    hour(20);
    BOOST_TEST(logged("SASL login") == 1);
    hour(20);
    BOOST_TEST(logged("SASL login") == 2);
    (void)ask(rcpt("2.2", "a@example.net"));
    hour(20);
    BOOST_TEST(logged("SASL login") == 2);
}

BOOST_FIXTURE_TEST_CASE(short_queue_ids_are_complained_of_once, rig) {
    for (const auto* good : {"4dXyz12ab0z1Q", "", "4DXYZ12AB0z1"}) {
        request what = data("1.1", 1);
        what.queue_id = good;
        (void)ask(what);
    }
    BOOST_TEST(logged("queue IDs are short") == 0);
    for (const auto* instance : {"2.1", "2.2"}) {
        request what = data(instance, 1);
        what.queue_id = "D4F2A1B0C3";
        (void)ask(what);
    }
    BOOST_TEST(logged("queue IDs are short") == 1);
}

BOOST_FIXTURE_TEST_CASE(a_missing_end_of_message_is_complained_of_where_something_needs_it, rig) {
    misplacement look;
    look.look(time.now(), *asks.settings(), asks.counts(), asks.hooks());
    const auto hour = [&](const char* instance, int messages) {
        for (int n = 0; n < messages; ++n) {
            (void)ask(data(instance + std::to_string(n), 1));
        }
        time.advance(seconds{3600});
        look.look(time.now(), *asks.settings(), asks.counts(), asks.hooks());
    };
    hour("1.", 20);
    BOOST_TEST(logged("was not asked in the last hour") == 1);
    configure([](config::settings& s, config::profile&) { s.policyd.accounting = config::accounting_mode::data; });
    hour("2.", 20);
    BOOST_TEST(logged("was not asked in the last hour") == 1);
    configure([](config::settings&, config::profile& p) {
        p.limits.push_back({1000, limit_unit::bytes, seconds{86400}});
    });
    hour("3.", 20);
    BOOST_TEST(logged("was not asked in the last hour") == 2);
    (void)ask(end_of_message("3.1", 1));
    hour("4.", 20);
    BOOST_TEST(logged("was not asked in the last hour") == 2);
}

BOOST_FIXTURE_TEST_CASE(data_without_recipients_is_complained_of_where_it_can_be_told_from_other_connections, rig) {
    misplacement look;
    look.look(time.now(), *asks.settings(), asks.counts(), asks.hooks());
    int last = 0;
    const auto hour = [&](int recipients, int alone, int announced) {
        for (int n = 0; n < recipients; ++n) {
            (void)ask(rcpt("r" + std::to_string(++last), "a@example.net"));
        }
        for (int n = 0; n < alone; ++n) {
            (void)ask(data("d" + std::to_string(++last), 1));
        }
        for (int n = 0; n < announced; ++n) {
            const auto instance = "b" + std::to_string(++last);
            (void)ask(rcpt(instance, "a@example.net"));
            (void)ask(data(instance, 1));
        }
        time.advance(seconds{3600});
        look.look(time.now(), *asks.settings(), asks.counts(), asks.hooks());
        return logged("but none of their recipients");
    };
    BOOST_TEST(hour(0, 19, 0) == 0); // too few to tell
    BOOST_TEST(hour(0, 0, 20) == 0);
    BOOST_TEST(hour(20, 20, 0) == 0); // the recipients came over another connection
    BOOST_TEST(hour(0, 20, 0) == 1);
    BOOST_TEST(hour(0, 20, 1) == 2);
    BOOST_TEST(hour(0, 0, 0) == 2);
}

BOOST_AUTO_TEST_SUITE_END()
