// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/core/limit.hpp"

#include <sstream>

using namespace postsluice;

BOOST_AUTO_TEST_SUITE(limits)

BOOST_AUTO_TEST_CASE(a_limit_is_called_by_what_it_counts_and_its_period) {
    struct row {
        limit what;
        const char *subject, *text;
    };
    const row table[] = {
        {{30, limit_unit::messages, seconds{60}}, "messages per minute", "30 messages per minute"},
        {{300, limit_unit::recipients, seconds{3600}}, "recipients per hour", "300 recipients per hour"},
        {{1000, limit_unit::recipients, seconds{86400}}, "recipients per day", "1000 recipients per day"},
        {{5, limit_unit::messages, seconds{300}}, "messages per 5 minutes", "5 messages per 5 minutes"},
        {{5, limit_unit::messages, seconds{11 * 3600}}, "messages per 11 hours", "5 messages per 11 hours"},
        {{0, limit_unit::messages, seconds{7 * 86400}}, "messages per week", "0 messages per week"},
        {{limit::unlimited, limit_unit::recipients, seconds{86400}},
         "recipients per day",
         "unlimited recipients per day"},
    };
    for (const auto& one : table) {
        BOOST_TEST_CONTEXT(one.text) {
            BOOST_TEST(subject(one.what) == one.subject);
            BOOST_TEST(to_string(one.what) == one.text);
            std::ostringstream out;
            out << one.what;
            BOOST_TEST(out.str() == one.text);
        }
    }
}

BOOST_AUTO_TEST_CASE(limits_of_one_unit_and_period_have_the_same_subject) {
    const limit one{30, limit_unit::messages, seconds{60}};
    BOOST_TEST(one.same_subject({limit::unlimited, limit_unit::messages, seconds{60}}));
    BOOST_TEST(!one.same_subject({30, limit_unit::recipients, seconds{60}}));
    BOOST_TEST(!one.same_subject({30, limit_unit::messages, seconds{3600}}));
    BOOST_TEST((one != limit{31, limit_unit::messages, seconds{60}}));
}

BOOST_AUTO_TEST_CASE(without_a_number_there_is_no_limit) {
    BOOST_TEST(limit{}.count == limit::unlimited);
}

BOOST_AUTO_TEST_SUITE_END()
