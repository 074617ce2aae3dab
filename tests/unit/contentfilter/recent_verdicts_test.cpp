// SPDX-License-Identifier: Apache-2.0
// What is remembered of an account's messages, from the session to the state.
#define BOOST_TEST_DYN_LINK
#include "filter_fixture.hpp"

#include <boost/test/unit_test.hpp>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;
using config::forced_verdict;

namespace {

constexpr auto alice = "alice@example.org";

std::string message_of(filter& f, const std::string& queue_id, const std::string& from = alice) {
    return f.ticket(from, queue_id) + plain(from, "x");
}

void send_one(filter& f, const std::string& queue_id, const std::string& text, const std::string& from = alice) {
    postfix p{f.socket()};
    for (const auto& reply : p.send(queue_id, from, {"f@example.net"}, text))
        BOOST_TEST(reply.starts_with("2"), reply);
}

std::string say(const state::verdict_history::tally& t) {
    return std::to_string(t.messages) + "/" + std::to_string(t.bad);
}

state::verdict_history::tally remembered(filter& f, const std::string& account = alice) {
    return f.environments->judged().ask(account, instant{}, 50).value();
}

} // namespace

BOOST_AUTO_TEST_SUITE(recent_verdicts)

BOOST_AUTO_TEST_CASE(each_message_is_remembered_once_and_bad_ones_as_bad) {
    filter f;
    f.start();
    send_one(f, "Q1", message_of(f, "Q1"));
    BOOST_TEST(say(remembered(f)) == "1/0");
    f.find({found("SPAMMY", 6)}); // tagged
    const auto second = message_of(f, "Q2");
    send_one(f, "Q2", second);
    BOOST_TEST(say(remembered(f)) == "2/1");
    send_one(f, "Q2", second); // the same again: a slice, or a repeat
    BOOST_TEST(say(remembered(f)) == "2/1");
    f.find({found("NOTED", 5.9)});
    send_one(f, "Q3", message_of(f, "Q3"));
    f.find({found("DOUBT", 0, forced_verdict::hold)});
    send_one(f, "Q4", message_of(f, "Q4"));
    BOOST_TEST(say(remembered(f)) == "4/2");
    BOOST_TEST((remembered(f, "bob@example.org") == state::verdict_history::tally{}));
}

BOOST_AUTO_TEST_CASE(the_past_and_what_failed_make_no_message_bad) {
    filter f;
    f.settings->contentfilter.on_error = config::filter_error_policy::hold;
    f.start();
    f.find({found("RECENT_VERDICTS", 3), found("RECENT_STRIKES", 3), found("NOTED", 3)});
    send_one(f, "Q1", message_of(f, "Q1"));
    BOOST_TEST(f.events().at(0).verdict == "tag");
    auto failed = found("CHECK_FAILED", 0);
    failed.temperror = true;
    f.find({failed});
    send_one(f, "Q2", message_of(f, "Q2"));
    BOOST_TEST((remembered(f) == state::verdict_history::tally{2, 0}));
}

BOOST_AUTO_TEST_CASE(what_no_check_judged_is_not_remembered) {
    filter f;
    f.start();
    run_awaitable(f.environments->accounts().lock(alice, "t", "t", "")).value();
    send_one(f, "Q1", message_of(f, "Q1"));
    BOOST_TEST(f.events().at(0).verdict == "quarantine");
    BOOST_TEST((remembered(f) == state::verdict_history::tally{}));
}

BOOST_AUTO_TEST_CASE(nothing_is_remembered_where_it_is_switched_off) {
    filter f;
    f.settings->content.recent_verdicts = 0;
    f.start();
    send_one(f, "Q1", message_of(f, "Q1"));
    BOOST_TEST((remembered(f) == state::verdict_history::tally{}));
}

BOOST_AUTO_TEST_SUITE_END()
