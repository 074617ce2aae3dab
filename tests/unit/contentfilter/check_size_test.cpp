// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

BOOST_AUTO_TEST_SUITE(check_size_test)

BOOST_AUTO_TEST_CASE(the_bound_itself_is_allowed_and_one_octet_more_is_not) {
    const auto text = with_attachment("Content-Disposition: attachment\r\n", "x");
    message_options how;
    BOOST_TEST(run_check("size", make_message(text, how)).empty()); // 0: no bound
    how.profile.max_message_size = byte_count{text.size()};
    BOOST_TEST(run_check("size", make_message(text, how)).empty());
    how.profile.max_message_size = byte_count{text.size() - 1};
    const auto found = run_check("size", make_message(text, how));
    BOOST_REQUIRE(found.size() == 1u);
    BOOST_TEST(found[0].symbol == "MESSAGE_TOO_LARGE");
    BOOST_TEST((found[0].action == config::forced_verdict::reject));
    BOOST_TEST(found[0].why == reason::message_too_large);
    BOOST_TEST(found[0].evidence.ends_with("1 attachment"));
}

BOOST_AUTO_TEST_CASE(a_limit_in_bytes_per_message_is_a_bound_too) {
    const auto text = with_attachment("Content-Disposition: attachment\r\n", "x");
    message_options how;
    how.profile.max_message_size = byte_count{text.size() + 100};
    how.profile.limits = {{text.size(), limit_unit::bytes, seconds{0}}};
    BOOST_TEST(run_check("size", make_message(text, how)).empty());
    how.profile.limits[0].count -= 1;
    BOOST_TEST(run_check("size", make_message(text, how)).size() == 1u);
    how.profile.limits[0].then = limit_action::warn;
    BOOST_TEST(run_check("size", make_message(text, how)).empty());
    how.profile.limits = {{1, limit_unit::bytes, seconds{3600}}};
    BOOST_TEST(run_check("size", make_message(text, how)).empty());
}

BOOST_AUTO_TEST_SUITE_END()
