// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/config/limit_language.hpp"

using namespace postsluice;
using config::parse_limit;
using config::parse_trigger;

namespace {

constexpr std::int64_t minute = 60, hour = 3600, day = 86400;

struct good_limit {
    const char* text;
    limit meant;
    const char* printed;
};
struct bad_text {
    const char* text;
    const char* says; ///< a part of the detail
};

} // namespace

BOOST_AUTO_TEST_SUITE(limit_language)

BOOST_AUTO_TEST_CASE(a_limit_is_read_and_printed_as_it_is_written) {
    const auto messages = limit_unit::messages, recipients = limit_unit::recipients;
    const good_limit table[] = {
        {"30 messages per minute", {30, messages, seconds{minute}}, "30 messages per minute"},
        {"300 recipients per hour", {300, recipients, seconds{hour}}, "300 recipients per hour"},
        {"1000 recipients per day", {1000, recipients, seconds{day}}, "1000 recipients per day"},
        {"1000 recipients in day", {1000, recipients, seconds{day}}, "1000 recipients per day"},
        {"1 message per 5 minutes", {1, messages, seconds{5 * minute}}, "1 messages per 5 minutes"},
        {"1 recipient per 1 hour", {1, recipients, seconds{hour}}, "1 recipients per hour"},
        {"  7   Messages  PER  2   Hours ", {7, messages, seconds{2 * hour}}, "7 messages per 2 hours"},
        {"60 messages per 60 minutes", {60, messages, seconds{hour}}, "60 messages per hour"},
        {"0 messages per day", {0, messages, seconds{day}}, "0 messages per day"},
        {"unlimited recipients per day", {limit::unlimited, recipients, seconds{day}}, "unlimited recipients per day"},
        {"Unlimited messages per hour", {limit::unlimited, messages, seconds{hour}}, "unlimited messages per hour"},
        {"1000000000000 messages per 366 days",
         {1'000'000'000'000, messages, seconds{366 * day}},
         "1000000000000 messages per 366 days"},
        {"200 new recipients per day", {200, limit_unit::new_recipients, seconds{day}}, "200 new recipients per day"},
        {"50 invalid recipients per week",
         {50, limit_unit::invalid_recipients, seconds{7 * day}},
         "50 invalid recipients per week"},
        {"5 distinct recipients per month",
         {5, limit_unit::distinct_recipients, seconds{30 * day}},
         "5 distinct recipients per month"},
        {"5 external recipients per 2 weeks",
         {5, limit_unit::external_recipients, seconds{14 * day}},
         "5 external recipients per 2 weeks"},
        {"9 null-sender messages per hour",
         {9, limit_unit::null_sender_messages, seconds{hour}},
         "9 null-sender messages per hour"},
        {"3 client addresses per day", {3, limit_unit::client_addresses, seconds{day}}, "3 client addresses per day"},
        {"1 client network per day", {1, limit_unit::client_networks, seconds{day}}, "1 client networks per day"},
        {"3 sender addresses per hour",
         {3, limit_unit::sender_addresses, seconds{hour}},
         "3 sender addresses per hour"},
        {"10000 sender domains per hour",
         {10000, limit_unit::sender_domains, seconds{hour}},
         "10000 sender domains per hour"},
        {"1 GB per day", {1U << 30U, limit_unit::bytes, seconds{day}}, "1 GB per day"},
        {"1gb per day", {1U << 30U, limit_unit::bytes, seconds{day}}, "1 GB per day"},
        {"50 MB per message", {50U << 20U, limit_unit::bytes, seconds{0}}, "50 MB per message"},
        {"1025 bytes per message", {1025, limit_unit::bytes, seconds{0}}, "1025 bytes per message"},
        {"3 KiB per hour", {3072, limit_unit::bytes, seconds{hour}}, "3 KB per hour"},
        {"0 bytes per hour", {0, limit_unit::bytes, seconds{hour}}, "0 bytes per hour"},
        {"unlimited GB per day", {limit::unlimited, limit_unit::bytes, seconds{day}}, "unlimited bytes per day"},
        {"100 recipients per message", {100, recipients, seconds{0}}, "100 recipients per message"},
        {"9 recipients per hour per domain",
         {9, recipients, seconds{hour}, limit_scope::domain},
         "9 recipients per hour per domain"},
        {"9 recipients per hour per client network then reject",
         {9, recipients, seconds{hour}, limit_scope::client_network, limit_action::reject},
         "9 recipients per hour per client network then reject"},
        {"9 recipients per hour THEN hold except TO Example.org, *.example.net",
         {9, recipients, seconds{hour}, limit_scope::account, limit_action::hold, {"example.org", "*.example.net"}},
         "9 recipients per hour then hold except to example.org, *.example.net"},
        {"9 messages per hour per server then warn",
         {9, messages, seconds{hour}, limit_scope::server, limit_action::warn},
         "9 messages per hour per server then warn"},
        {"3 client addresses per day then lock",
         {3, limit_unit::client_addresses, seconds{day}, limit_scope::account, limit_action::lock},
         "3 client addresses per day then lock"},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.text) {
            const auto parsed = parse_limit(row.text);
            BOOST_REQUIRE(parsed.has_value());
            BOOST_TEST(*parsed == row.meant);
            BOOST_TEST(to_string(*parsed) == row.printed);
            const auto again = parse_limit(to_string(*parsed));
            BOOST_REQUIRE(again.has_value());
            BOOST_TEST(*again == *parsed);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_wrong_limit_is_told_what_is_wrong) {
    const bad_text table[] = {
        {"", "an empty limit"},
        {"   ", "an empty limit"},
        {"many messages per hour", "\"many\" is not a count"},
        {"-5 messages per hour", "\"-5\" is not a count"},
        {"1.5 messages per hour", "\"1.5\" is not a count"},
        {"99999999999999999999 messages per hour", "is not a count"},
        {"140737488355329 messages per hour", "write \"unlimited\""},
        {"200000 GB per hour", "write \"unlimited\""},
        {"30", "does not say what is counted"},
        {"30 per hour", "does not say what is counted"},
        {"30 recipents per hour", "did you mean \"recipients\"?"},
        {"30 mesages per hour", "did you mean \"messages\"?"},
        {"30 bananas per hour", "\"bananas\" is not a unit; use messages, recipients"},
        {"30 messages", "does not say in what time"},
        {"30 messages per", "does not say in what time"},
        {"30 messages per 5", "does not say in what time"},
        {"30 messages per huor", "did you mean \"hour\"?"},
        {"30 messages per fortnight", "\"fortnight\" is not a period; use message, minute, hour"},
        {"30 messages per 0 hours", "0 hours is no period"},
        {"30 messages per 367 days", "1 to 366 can be counted"},
        {"5 distinct recipients per message", "write \"recipients per message\""},
        {"5 messages per message", "counted over a time"},
        {"5 client addresses per message", "counted over a time"},
        {"5 recipients per 2 messages", "is not a period; did you mean \"message\"?"},
        {"5 recipients per 2 message", "not per several"},
        {"5 recipients per message per domain", "a limit per message has no scope"},
        {"5 client addresses per day per client address", "never more than one"},
        {"5 client networks per day per client address", "never more than one"},
        {"5 sender domains per day per sender address", "never more than one"},
        {"5 null-sender messages per day per sender domain", "no address and no domain"},
        {"unlimited recipients per day then reject", "unlimited refuses nothing"},
        {"10001 distinct recipients per day", "10000 at most"},
        {"5 messages per day except to example.org", "about recipients"},
        {"5 recipients per day except to", "\"except\" needs domains"},
        {"5 recipients per day except example.org", "\"except\" needs domains"},
        {"5 recipients per day except to not_a/domain", "is no domain"},
        {"5 recipients per day then explode", "is not an action"},
        {"5 recipients per day then rejct", "did you mean \"reject\"?"},
        {"5 recipients per day per planet", "is not a scope"},
        {"5 recipients per day per domian", "did you mean \"domain\"?"},
        {"5 recipients per day per", "is not a scope"},
        {"5 recipients per day today", "after the period is not understood"},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.text) {
            const auto parsed = parse_limit(row.text);
            BOOST_REQUIRE(parsed.has_error());
            BOOST_TEST((parsed.error().code == errc::malformed));
            BOOST_TEST_CONTEXT(parsed.error().detail) {
                BOOST_TEST(parsed.error().detail.find(row.says) != std::string::npos);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(control_bytes_in_a_limit_do_not_reach_the_message) {
    const auto parsed = parse_limit("30 mess\x1b[2Jages per hour");
    BOOST_REQUIRE(parsed.has_error());
    BOOST_TEST(parsed.error().detail.find('\x1b') == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_trigger_is_read_and_printed_as_it_is_written) {
    struct row {
        const char* text;
        lock_trigger meant;
        const char* printed;
    };
    const row table[] = {
        {"1 virus", {1, strike_kind::virus, strike_memory}, "1 virus"},
        {"2 phish in 24 hours", {2, strike_kind::phish, seconds{day}}, "2 phish in 1 day"},
        {"5 spam in 10 minutes", {5, strike_kind::spam, seconds{600}}, "5 spam in 10 minutes"},
        {"5 SPAM per 10 minutes", {5, strike_kind::spam, seconds{600}}, "5 spam in 10 minutes"},
        {"3 limit per hour", {3, strike_kind::limit, seconds{hour}}, "3 limit in 1 hour"},
        {"1000 manual in 7 days", {1000, strike_kind::manual, strike_memory}, "1000 manual"},
    };
    for (const auto& one : table) {
        BOOST_TEST_CONTEXT(one.text) {
            const auto parsed = parse_trigger(one.text);
            BOOST_REQUIRE(parsed.has_value());
            BOOST_TEST((*parsed == one.meant));
            BOOST_TEST(to_string(*parsed) == one.printed);
            const auto again = parse_trigger(to_string(*parsed));
            BOOST_REQUIRE(again.has_value());
            BOOST_TEST((*again == *parsed));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_wrong_trigger_is_told_what_is_wrong) {
    const bad_text table[] = {
        {"", "is no trigger"},
        {"virus", "is no trigger"},
        {"one virus", "\"one\" is not a count"},
        {"0 virus", "1 to 1000 can"},
        {"1001 virus", "1 to 1000 can"},
        {"1 virsu", "did you mean \"virus\"?"},
        {"1 in 2 hours", "is not a kind of strike"},
        {"100 bad recipients in 1 hour", "is not a kind of strike; "},
        {"5 spam in", "number"},
        {"5 spam in ten minutes", "not"},
        {"5 spam in 10 lightyears", "is not a unit"},
        {"5 spam in 0 seconds", "is no time to count strikes in"},
        {"5 spam in 8 days", "7 days are remembered"},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.text) {
            const auto parsed = parse_trigger(row.text);
            BOOST_REQUIRE(parsed.has_error());
            BOOST_TEST_CONTEXT(parsed.error().detail) {
                BOOST_TEST(parsed.error().detail.find(row.says) != std::string::npos);
            }
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
