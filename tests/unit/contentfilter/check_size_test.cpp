// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"

#include "shared/core/clock.hpp"
#include "shared/state/environments.hpp"

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

// A raised limit passes policyd; the filter must not refuse what it allows, nor let pass what it forbids.
BOOST_AUTO_TEST_CASE(an_operators_limit_for_the_account_holds_here_too) {
    const scratch_directory directory;
    auto state = state::environments::open({.directory = directory.path}, state::user::contentfilter);
    BOOST_REQUIRE(state);
    auto& limits = (*state)->limit_overrides();
    const auto text = with_attachment("Content-Disposition: attachment\r\n", "x");
    message_options how;
    how.profile.limits = {{text.size() - 1, limit_unit::bytes, seconds{0}}};
    const auto resources = std::make_shared<check_resources>();
    resources->accounts.limits = &limits;
    resources->accounts.time = &(*state)->time();
    const auto found = [&] { return run_check("size", make_message(text, how), resources).size(); };
    const auto set = [&](std::uint64_t octets, const std::string& account, instant until) {
        state::limit_override one;
        one.account = account;
        one.what = {octets, limit_unit::bytes, seconds{0}};
        one.text = to_string(one.what);
        one.set = (*state)->time().now();
        one.until = until;
        BOOST_REQUIRE(run_awaitable(limits.set(std::move(one))));
    };
    BOOST_TEST(found() == 1U);
    set(text.size(), "b@example.org", {});
    BOOST_TEST(found() == 1U); // another's
    set(text.size(), "a@example.org", (*state)->time().now() - seconds{1});
    BOOST_TEST(found() == 1U); // over
    set(text.size(), "a@example.org", (*state)->time().now() + seconds{3600});
    BOOST_TEST(found() == 0U);
    how.profile.limits.clear();
    set(text.size() - 1, "a@example.org", {});
    BOOST_TEST(found() == 1U);
}

BOOST_AUTO_TEST_CASE(an_attachment_has_a_bound_of_what_a_receiver_saves) {
    const std::string content(1000, 'x');
    const auto text = with_attachment(
        "Content-Disposition: attachment; filename=a.bin\r\nContent-Transfer-Encoding: base64\r\n", base64(content));
    message_options how;
    BOOST_TEST(run_check("size", make_message(text, how)).empty()); // 0: no bound
    how.profile.max_attachment_size = byte_count{1000};
    BOOST_TEST(run_check("size", make_message(text, how)).empty());
    how.profile.max_attachment_size = byte_count{999};
    const auto found = run_check("size", make_message(text, how));
    BOOST_REQUIRE(found.size() == 1U);
    BOOST_TEST(found[0].symbol == "ATTACHMENT_TOO_LARGE");
    BOOST_TEST((found[0].action == config::forced_verdict::reject));
    BOOST_TEST(found[0].why == reason::message_too_large);
    BOOST_TEST(found[0].evidence.starts_with("1.2 (a.bin): over 999 B"));
    const auto shown = with_attachment("Content-Type: text/plain\r\n", content); // a text is no attachment
    BOOST_TEST(run_check("size", make_message(shown, how)).empty());
}

BOOST_AUTO_TEST_CASE(the_number_of_attachments_has_a_bound) {
    const auto text =
        with_attachment("Content-Disposition: attachment\r\n", "x\r\n--b\r\nContent-Disposition: attachment\r\n\r\ny");
    message_options how;
    how.profile.max_attachments = 2;
    BOOST_TEST(run_check("size", make_message(text, how)).empty());
    how.profile.max_attachments = 1;
    const auto found = run_check("size", make_message(text, how));
    BOOST_REQUIRE(found.size() == 1U);
    BOOST_TEST(found[0].symbol == "TOO_MANY_ATTACHMENTS");
    BOOST_TEST((found[0].action == config::forced_verdict::reject));
    BOOST_TEST(found[0].evidence == "2 attachments of 1 allowed");
}

BOOST_AUTO_TEST_SUITE_END()
