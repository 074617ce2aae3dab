// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "filter_fixture.hpp"

#include "contentfilter/misplacement.hpp"

#include <boost/test/unit_test.hpp>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

constexpr const char* none_came = "none of them came here";
constexpr const char* nothing_asked = "policyd was asked nothing";
constexpr const char* not_about_them = "that policyd was not asked about";

std::size_t times(log_capture& log, const std::string& words) {
    const auto all = log.all();
    std::size_t n = 0;
    for (auto at = all.find(words); at != std::string::npos; at = all.find(words, at + 1))
        ++n;
    return n;
}

} // namespace

BOOST_AUTO_TEST_SUITE(misplacement_test)

BOOST_AUTO_TEST_CASE(what_an_hour_shows_is_said_and_nothing_else) {
    struct row {
        const char* name;
        std::uint64_t rcpt, tickets, failed, messages, unasked;
        const char* complaint;
    };
    const row rows[] = {
        {"all is well", 40, 40, 0, 40, 0, nullptr},
        {"nothing at all", 0, 0, 0, 0, 0, nullptr},
        {"the filter is silent", 40, 20, 0, 0, 0, none_came},
        {"it is, but there was little", 40, 19, 0, 0, 0, nullptr},
        {"it has seen one", 40, 20, 0, 1, 0, nullptr},
        {"recipients were refused", 400, 0, 0, 0, 0, nullptr},
        {"policyd is silent", 0, 0, 0, 20, 20, nothing_asked},
        {"it is, but there was little", 0, 0, 0, 40, 19, nullptr},
        {"only local mail", 0, 0, 0, 40, 0, nullptr},
        {"some pass it by", 40, 40, 0, 60, 20, not_about_them},
        {"few pass it by", 40, 40, 0, 59, 19, nullptr},
        {"it could make no tickets", 40, 10, 20, 40, 30, nullptr},
        {"it could not, and some pass it by", 40, 10, 20, 70, 40, not_about_them},
    };
    for (const auto& r : rows) {
        BOOST_TEST_CONTEXT(r.name) {
            log_capture log;
            counters counts;
            misplacement look;
            look.compare(misplacement::asked{1000, 500, 100}, counts);
            counts.messages = r.messages;
            for (std::uint64_t n = 0; n < r.unasked; ++n)
                counts.count_unasked("192.0.2.7");
            const misplacement::asked after{1000 + r.rcpt, 500 + r.tickets, 100 + r.failed};
            look.compare(after, counts);
            for (const char* one : {none_came, nothing_asked, not_about_them})
                BOOST_TEST(times(log, one) == (r.complaint == one ? 1U : 0U), one);
            if (r.unasked > 0 && r.complaint != nullptr) BOOST_TEST(log.has("client=192.0.2.7"));
            look.compare(after, counts); // an hour without any
            BOOST_TEST(times(log, "hour") == (r.complaint != nullptr ? 1U : 0U));
        }
    }
}

BOOST_AUTO_TEST_CASE(the_first_answer_and_the_first_after_none_are_only_remembered) {
    log_capture log;
    counters counts;
    misplacement look;
    const misplacement::asked much{1000, 1000, 0}, more{2000, 2000, 0}, restarted{30, 30, 0};
    look.compare(much, counts);
    look.compare(std::nullopt, counts);
    look.compare(more, counts);
    BOOST_TEST(times(log, none_came) == 0U);
    look.compare(restarted, counts); // all of it is of the last hour
    BOOST_TEST(times(log, none_came) == 1U);
    BOOST_TEST(log.has("messages=30"));
}

BOOST_AUTO_TEST_CASE(only_what_a_client_sent_without_any_ticket_is_unasked) {
    filter f;
    f.start();
    postfix client{f.socket()};
    const auto unasked = [&] { return f.counts.unasked().first; };
    const auto text = plain("alice@example.org", "one");
    client.send("Q1", "alice@example.org", {"f@example.net"}, f.ticket("alice@example.org", "Q1") + text);
    client.send("Q2", "alice@example.org", {"f@example.net"}, f.ticket("-", "Q2") + text);
    client.send("Q3", "alice@example.org", {"f@example.net"}, f.ticket("alice@example.org", "another") + text);
    client.send("Q4", "alice@example.org", {"f@example.net"}, text, false); // by pickup
    BOOST_TEST(unasked() == 0U);
    client.send("Q5", "alice@example.org", {"f@example.net"}, text);
    BOOST_TEST(unasked() == 1U);
    BOOST_TEST(f.counts.unasked().second == "192.0.2.1");
    client.send("Q5", "alice@example.org", {"f@example.net"}, text); // the same again: it was counted
    BOOST_TEST(unasked() == 1U);
    BOOST_TEST(f.counts.messages == 6U);
}

BOOST_AUTO_TEST_SUITE_END()
