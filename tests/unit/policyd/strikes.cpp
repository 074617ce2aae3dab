// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "rig.hpp"

using namespace postsluice;
using namespace postsluice::policyd;
using namespace postsluice::policyd::test;

namespace {

struct striking : rig {
    request what = rcpt("1.1", "a@example.net");
    account::identity who{"alice@example.org", "alice@example.org", nullptr, {}};
    strikes desk{context.get_executor(), locks};
    limit_book book;

    template <class Act>
    void with_context(Act act) {
        const auto settings = asks.settings();
        const rule_context now{what,     *settings,        *settings->profiles.at("default"),
                               who,      time.now(),       1,
                               false,    first.current,    locks,
                               accounts, {.limits = &book}};
        act(now);
    }
    void breach(const limit& l, const char* reference = "REF1") {
        auto d = refuse(refusal_code::defer_policy, reason::limit, subject(l), "full");
        d.reference = reference;
        with_context([&](const rule_context& now) { desk.refused(now, d); });
    }
    void others_refuse(std::uint32_t n) {
        with_context([&](const rule_context& now) { desk.refused_by_others(now, n); });
    }
    void settle() {
        context.restart();
        context.run();
    }
    void limits(std::vector<limit> all, std::vector<lock_trigger> after = {}) {
        book.forget_plans();
        configure([&](config::settings& s, config::profile& p) {
            s.customers = {{"Acme", {"example.org"}, {}}};
            p.limits = std::move(all);
            p.lock.after = std::move(after);
        });
    }
};

const limit hourly{300, limit_unit::recipients, seconds{3600}};

} // namespace

BOOST_AUTO_TEST_SUITE(policyd_strikes)

BOOST_FIXTURE_TEST_CASE(a_burst_is_one_write_with_its_weight, striking) {
    limits({}, {{20'000, strike_kind::invalid_recipients, seconds{3600}}});
    for (int i = 0; i < 10'000; ++i) {
        others_refuse(1);
    }
    settle();
    BOOST_REQUIRE(locks.strikes.size() == 1U);
    BOOST_TEST(locks.strikes[0].second.weight == 10'000U);
    BOOST_TEST(locks.strikes[0].second.kind == strike_kind::invalid_recipients);
    BOOST_TEST(locks.strikes[0].second.digest.empty());
    others_refuse(0);
    settle();
    BOOST_TEST(locks.strikes.size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(what_completes_a_trigger_by_itself_does_not_wait, striking) {
    limits({}, {{100, strike_kind::invalid_recipients, seconds{3600}}});
    others_refuse(99);
    context.restart();
    context.poll();
    BOOST_TEST(locks.strikes.empty());
    others_refuse(1);
    context.poll();
    BOOST_REQUIRE(locks.strikes.size() == 1U);
    BOOST_TEST(locks.strikes[0].second.weight == 100U);
    settle();
    BOOST_TEST(locks.strikes.size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(without_a_trigger_nothing_is_remembered, striking) {
    limits({limit{hourly}}, {{1, strike_kind::virus, seconds{3600}}});
    others_refuse(1000);
    breach(hourly);
    settle();
    BOOST_TEST(locks.strikes.empty());
}

BOOST_FIXTURE_TEST_CASE(many_client_networks_are_a_stolen_password, striking) {
    const limit networks{3, limit_unit::client_networks, seconds{86400}};
    limits({limit{hourly}, networks},
           {{1, strike_kind::stolen_password, seconds{86400}}, {1, strike_kind::limit, seconds{3600}}});
    breach(networks, "REF1");
    breach(networks, "REF1");
    breach(hourly, "REF2");
    settle();
    BOOST_REQUIRE(locks.strikes.size() == 2U);
    BOOST_TEST(locks.strikes[0].second.kind == strike_kind::stolen_password);
    BOOST_TEST(locks.strikes[0].second.reference == "REF1");
    BOOST_TEST(locks.strikes[1].second.kind == strike_kind::limit);
}

BOOST_FIXTURE_TEST_CASE(a_limit_that_locks_locks_what_it_counts_under, striking) {
    struct row {
        limit_scope scope;
        std::string locked;
    };
    const row table[] = {
        {limit_scope::account, "alice@example.org"},
        {limit_scope::domain, "domain:example.org"},
        {limit_scope::customer, "customer:acme"},
        {limit_scope::client_address, "client:192.0.2.7"},
        {limit_scope::client_network, "network:192.0.2.0/24"},
        {limit_scope::sender_address, "sender:alice@example.org"},
        {limit_scope::sender_domain, "sender-domain:example.org"},
        {limit_scope::server, "alice@example.org"},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.scope) {
            striking r;
            limit l = hourly;
            l.scope = row.scope;
            l.then = limit_action::lock;
            r.limits({l});
            r.breach(l);
            r.breach(l); // while the first is under way: nothing more
            r.settle();
            BOOST_REQUIRE(r.locks.strikes.size() == 1U);
            BOOST_TEST(r.locks.strikes[0].first == row.locked);
            BOOST_TEST(r.locks.policies[0].at_once == to_string(l));
            r.breach(l); // a person unlocked it, and it goes on
            r.settle();
            BOOST_TEST(r.locks.strikes.size() == 2U);
        }
    }
}

BOOST_FIXTURE_TEST_CASE(an_operators_limit_for_the_account_says_whether_it_locks, striking) {
    limit locks_at_once = hourly, tells = hourly;
    locks_at_once.count = 5;
    locks_at_once.then = limit_action::lock;
    const auto set = [&](const limit& l) {
        state::limit_override one;
        one.account = who.account;
        one.what = l;
        book.put(who.account, {one});
    };
    limits({limit{hourly}});
    set(locks_at_once);
    breach(hourly);
    settle();
    BOOST_REQUIRE(locks.strikes.size() == 1U);
    BOOST_TEST(locks.policies[0].at_once == to_string(locks_at_once));
    limits({locks_at_once});
    set(tells);
    breach(hourly, "REF2");
    settle();
    BOOST_TEST(locks.strikes.size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(recipients_that_others_refused_are_told_at_data, striking) {
    limits({{100, limit_unit::recipients, seconds{3600}}}, {{2, strike_kind::invalid_recipients, seconds{3600}}});
    for (const auto* to : {"a@x.example", "b@x.example", "c@x.example"}) {
        (void)ask(rcpt("1.1", to));
    }
    (void)ask(data("1.1", 1));
    settle();
    BOOST_REQUIRE(locks.strikes.size() == 1U);
    BOOST_TEST(locks.strikes[0].second.weight == 2U);
}

BOOST_AUTO_TEST_SUITE_END()

// ---- the rule, for other scopes than the account

BOOST_AUTO_TEST_SUITE(policyd_lock_scopes)

BOOST_AUTO_TEST_CASE(lock_of_a_parent_says_what_is_locked_and_nothing_of_others) {
    const manual_clock start;
    const lock_state state{lock_kind::timed, start.now(), start.now() + seconds{1800}, 0, {}, "bob@example.org did it",
                           "postsluice",     "E"};
    struct row {
        const char* key;
        std::string says;
    };
    const row table[] = {
        {"domain:example.org", "the domain example.org is locked"},
        {"customer:acme", "the customer that this account belongs to is locked"},
        {"client:192.0.2.7", "the client address 192.0.2.7 is locked"},
        {"network:192.0.2.0/24", "the client network 192.0.2.0/24 is locked"},
        {"network:192.0.0.0/16", "the client network 192.0.0.0/16 is locked"},
        {"sender:alice@example.org", "the sender alice@example.org is locked"},
        {"sender-domain:example.org", "the sender domain example.org is locked"},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.key) {
            rig r;
            r.configure([](config::settings& s, config::profile&) { s.customers = {{"Acme", {"example.org"}, {}}}; });
            r.locks.book[row.key] = state;
            BOOST_TEST(r.wire(rcpt("1.1", "a@example.net")) ==
                       "action=450 4.7.1 " + row.says +
                           " until 2026-01-01T00:30:00Z; see https://example.org/policy ref REF10001\n\n");
            BOOST_TEST(r.wire(rcpt("1.2", "abuse@example.org")) == dunno);
            auto elsewhere = rcpt("1.3", "a@example.net");
            elsewhere.client_address = "198.51.100.1";
            elsewhere.sender = elsewhere.sasl_username = "dora@example.com";
            BOOST_TEST(r.wire(elsewhere) == dunno);
        }
    }
}

BOOST_FIXTURE_TEST_CASE(the_accounts_own_lock_is_told_first, rig) {
    locks.book["alice@example.org"] = {lock_kind::permanent, time.now(), {}, 1, {}, "1 virus", "postsluice", "E"};
    locks.book["domain:example.org"] = {lock_kind::manual, time.now(), {}, 0, {}, "", "anna", "E"};
    BOOST_TEST(wire(rcpt("1.1", "a@example.net")).find("alice@example.org is locked") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
