// SPDX-License-Identifier: Apache-2.0
// Which limits hold under which keys, and what a reply makes of them.
#define BOOST_TEST_DYN_LINK
#include "rig.hpp"

using namespace postsluice;
using namespace postsluice::policyd;
using namespace postsluice::policyd::test;

namespace {

const limit hourly{3, limit_unit::recipients, seconds{3600}};
const limit by_domain{9, limit_unit::recipients, seconds{3600}, limit_scope::domain};

state::limit_override override_of(const std::string& account, limit what, instant until = {}) {
    state::limit_override out;
    out.account = account;
    out.what = std::move(what);
    out.text = to_string(out.what);
    out.until = until;
    return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(policyd_limit_book)

BOOST_AUTO_TEST_CASE(limits_count_under_the_key_of_their_scope_and_the_account_comes_first) {
    const auto settings = make_settings();
    const auto who = account::identity_of(*settings, "alice@example.org");
    const auto sender = mail_address::from_internal("office@Example.ORG");
    limit by_sender = hourly, by_network = hourly, by_customer = hourly;
    by_sender.scope = limit_scope::sender_address;
    by_network.scope = limit_scope::client_network;
    by_customer.scope = limit_scope::customer; // she belongs to none
    const auto plan = make_plan({by_network, by_sender, by_domain, by_customer});
    const auto under = counted_under(*plan, *settings, {who, "192.0.2.77", sender});
    std::vector<std::string> keys;
    for (const auto& one : under) {
        keys.push_back(one.key);
    }
    const std::vector<std::string> expected = {"account:alice@example.org", "domain:example.org",
                                               "network:192.0.2.0/24", "sender:office@example.org"};
    BOOST_TEST(keys == expected, boost::test_tools::per_element());
    BOOST_TEST(under[0].limits.size() == 0U);
}

BOOST_AUTO_TEST_CASE(a_plan_is_made_once_and_anew_for_another_configuration) {
    limit_book book;
    config::profile profile;
    profile.limits = {hourly};
    const auto first = book.plan(profile, "a", instant{});
    BOOST_TEST(first == book.plan(profile, "b", instant{}));
    profile.limits = {by_domain};
    book.forget_plans();
    BOOST_TEST(book.plan(profile, "a", instant{})->of(limit_scope::account).size() == 0U);
}

BOOST_AUTO_TEST_CASE(an_override_replaces_the_limit_of_its_subject_for_its_account_and_its_time) {
    limit_book book;
    config::profile profile;
    profile.limits = {hourly, by_domain};
    const instant now{seconds{1000}}, end{seconds{2000}};
    limit more = hourly, daily{50, limit_unit::messages, seconds{86400}};
    more.count = 77;
    book.load({override_of("a", more, end), override_of("a", daily)});
    const auto count_of = [&](std::string_view account, instant at) {
        return book.plan(profile, account, at)->of(limit_scope::account)[0].count;
    };
    BOOST_TEST(count_of("a", now) == 77U);
    BOOST_TEST(count_of("b", now) == 3U);
    BOOST_TEST(book.plan(profile, "a", now)->of(limit_scope::account).size() == 2U);
    BOOST_TEST(book.overrides_of("a", now).size() == 2U);
    BOOST_TEST(count_of("a", end) == 3U);
    BOOST_TEST(book.plan(profile, "a", end)->of(limit_scope::account).size() == 2U);
    BOOST_TEST(book.overrides_of("a", end).size() == 1U);
    book.put("a", {});
    BOOST_TEST(book.plan(profile, "a", now)->of(limit_scope::account).size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(an_action_decides_what_is_answered, rig) {
    const auto second_answer = [&](limit_action then) {
        configure([&](config::settings&, config::profile& p) {
            p.limits = {hourly};
            p.limits[0].count = 1;
            p.limits[0].then = then;
        });
        time.advance(seconds{7200});
        const auto n = std::to_string(static_cast<int>(then));
        const std::string one = "1." + n, two = "2." + n;
        (void)ask(rcpt(one, "a@example.net"));
        (void)ask(data(one, 1));
        (void)ask(end_of_message(one, 1));
        return wire(rcpt(two, "b@example.net"));
    };
    const std::string used = "1 of 1 recipients per hour used; next in 3600 s";
    BOOST_TEST(second_answer(limit_action::defer).starts_with("action=450 4.7.1 " + used));
    BOOST_TEST(second_answer(limit_action::reject).starts_with("action=550 5.7.1 " + used));
    BOOST_TEST(second_answer(limit_action::lock).starts_with("action=450 4.7.1 " + used));
    BOOST_TEST(second_answer(limit_action::hold).starts_with("action=HOLD " + used));
    BOOST_TEST(second_answer(limit_action::warn).starts_with("action=WARN " + used));
}

BOOST_AUTO_TEST_SUITE_END()
