// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "rig.hpp"

using namespace postsluice;
using namespace postsluice::policyd;
using namespace postsluice::policyd::test;

BOOST_AUTO_TEST_SUITE(policyd_rules)

BOOST_AUTO_TEST_CASE(limits_come_last_and_every_rule_answers_one_way) {
    const auto all = all_rules();
    BOOST_REQUIRE(!all.empty());
    BOOST_TEST(all.back().name == "limits");
    for (const auto& r : all) {
        BOOST_TEST_CONTEXT(r.name) {
            BOOST_TEST(((r.judge == nullptr) != (r.wait == nullptr)) == (r.waits == nullptr));
        }
    }
}

BOOST_AUTO_TEST_CASE(lock_says_until_when_and_keeps_an_operators_words) {
    struct row {
        const char* what;
        lock_state state;
        config::locked_reply reply;
        std::string expected;
    };
    const manual_clock start;
    const instant now = start.now();
    const auto tempfail = config::locked_reply::tempfail;
    const std::string tail = "; see https://example.org/policy ref REF10001\n\n";
    const std::vector<row> table = {
        {"timed",
         {lock_kind::timed, now, now + seconds{1800}, 0, {}, "5 spam in 10 minutes", "postsluice", "E"},
         tempfail,
         "action=450 4.7.1 alice@example.org is locked until 2026-01-01T00:30:00Z (5 spam in 10 minutes)" + tail},
        {"permanent",
         {lock_kind::permanent, now, {}, 1, {}, "1 virus", "postsluice", "E"},
         tempfail,
         "action=450 4.7.1 alice@example.org is locked until a person unlocks it (1 virus)" + tail},
        {"manual",
         {lock_kind::manual, now, {}, 0, {}, "did not pay", "root", "E"},
         tempfail,
         "action=450 4.7.1 alice@example.org is locked until a person unlocks it" + tail},
        {"reject",
         {lock_kind::manual, now, {}, 0, {}, "", "root", "E"},
         config::locked_reply::reject,
         "action=550 5.7.1 alice@example.org is locked until a person unlocks it" + tail},
        {"over",
         {lock_kind::timed, now - seconds{1800}, now, 0, {}, "1 virus", "postsluice", "E"},
         tempfail,
         std::string{dunno}},
        {"open", {}, tempfail, std::string{dunno}},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.what) {
            rig r;
            r.configure([&](config::settings&, config::profile& p) { p.when_locked = row.reply; });
            r.locks.book["alice@example.org"] = row.state;
            BOOST_TEST(r.wire(rcpt("1.1", "a@example.net")) == row.expected);
        }
    }
}

BOOST_AUTO_TEST_CASE(from_address_admits_what_the_profile_allows) {
    using kind = config::from_rule::kind;
    struct row {
        config::from_rule rule;
        const char* sender;
        bool allowed;
    };
    const std::vector<row> table = {
        {{kind::own_address, {}}, "alice@example.org", true},
        {{kind::own_address, {}}, "Alice@Example.ORG", true},
        {{kind::own_address, {}}, "bob@example.org", false},
        {{kind::own_domain, {}}, "bob@example.org", true},
        {{kind::own_domain, {}}, "bob@sub.example.org", false},
        {{kind::own_domain, {}}, "bob@example.com", false},
        {{kind::list, {"@shop.example"}}, "x@shop.example", true},
        {{kind::list, {"@shop.example"}}, "alice@example.org", false},
        {{kind::any, {}}, "boss@bank.example", true},
        {{kind::own_address, {}}, "", true},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(static_cast<int>(row.rule.what) << ' ' << row.sender) {
            rig r;
            r.configure([&](config::settings&, config::profile& p) { p.from = row.rule; });
            request what = rcpt("1.1", "a@example.net");
            what.sender = row.sender;
            const auto answer = r.ask(what);
            BOOST_TEST(answer.refuses() == !row.allowed);
        }
    }
}

BOOST_FIXTURE_TEST_CASE(from_address_names_what_is_allowed, rig) {
    request what = rcpt("1.1", "a@example.net");
    what.sender = "Boss@bank.example";
    const auto answer = ask(what);
    BOOST_TEST(answer.why == reason::from_forbidden);
    const auto wired = to_wire(answer);
    BOOST_TEST(wired.starts_with("action=550 5.7.1 alice@example.org may send as "));
    BOOST_TEST(wired.find(" example.org, not as boss@bank.example; see ") != std::string::npos);
    BOOST_TEST(answer.subject == "boss@bank.example");
}

BOOST_FIXTURE_TEST_CASE(limits_round_the_time_up, rig) {
    configure([](config::settings&, config::profile& p) { p.limits = {{1, limit_unit::recipients, seconds{60}}}; });
    (void)ask(rcpt("1.1", "a@example.net"));
    time.advance(milliseconds{1});
    BOOST_TEST(wire(rcpt("1.1", "b@example.net"))
                   .starts_with("action=450 4.7.1 1 of 1 recipients per minute used; next in 60 s;"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(policyd_hooks)

BOOST_AUTO_TEST_CASE(a_missing_end_of_message_is_told_once_when_it_is_certain) {
    rig r;
    r.configure([](config::settings&, config::profile& p) { p.limits.clear(); });
    for (std::uint64_t i = 0; i < hook_table::certain_after; ++i) {
        const std::string instance = "7." + std::to_string(i);
        (void)r.ask(rcpt(instance, "a@example.net"));
        (void)r.ask(data(instance, 1));
        BOOST_TEST(r.logged("END-OF-MESSAGE is never asked") == 0);
    }
    for (int i = 0; i < 3; ++i) {
        const std::string instance = "8." + std::to_string(i);
        (void)r.ask(rcpt(instance, "a@example.net"));
        (void)r.ask(data(instance, 1));
    }
    BOOST_TEST(r.logged("END-OF-MESSAGE is never asked") == 1);
}

BOOST_AUTO_TEST_CASE(some_messages_that_end_early_are_no_missing_hook) {
    rig r;
    r.configure([](config::settings&, config::profile& p) { p.limits.clear(); });
    (void)r.ask(data("6.1", 1));
    (void)r.ask(end_of_message("6.1", 1));
    for (std::uint64_t i = 0; i < 2 * hook_table::certain_after; ++i) {
        (void)r.ask(data("7." + std::to_string(i), 1));
    }
    BOOST_TEST(r.logged("END-OF-MESSAGE is never asked") == 0);
}

BOOST_AUTO_TEST_CASE(an_unused_end_of_message_is_told_once) {
    rig r;
    r.configure([](config::settings& s, config::profile&) { s.policyd.accounting = config::accounting_mode::data; });
    for (const auto* instance : {"1.1", "1.2", "1.3"}) {
        (void)r.ask(rcpt(instance, "a@example.net"));
        (void)r.ask(data(instance, 1));
        (void)r.ask(end_of_message(instance, 1));
    }
    BOOST_TEST(r.logged("END-OF-MESSAGE is asked but") == 1);
}

BOOST_AUTO_TEST_CASE(places_are_told_apart_and_bounded) {
    hook_table table;
    auto& a = table.at("587", "");
    BOOST_TEST(&a == &table.at("587", ""));
    BOOST_TEST(&a != &table.at("465", ""));
    BOOST_TEST(&a != &table.at("587", "submission"));
    for (std::size_t i = 0; i < 2 * hook_table::most; ++i) {
        (void)table.at(std::to_string(i), "flood");
    }
    BOOST_TEST(table.all().size() == hook_table::most);
}

BOOST_AUTO_TEST_SUITE_END()
