// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {
std::string symbols(const std::string& header, const message_options& how) {
    std::string text;
    for (const auto& f : run_check("from_alignment", make_message(header + "\r\n", how)))
        text += (text.empty() ? "" : " ") + f.symbol;
    return text;
}
message_options own_address() {
    message_options how;
    how.profile.from.what = config::from_rule::kind::own_address;
    return how;
}
} // namespace

BOOST_AUTO_TEST_SUITE(check_from_alignment_test)

BOOST_AUTO_TEST_CASE(what_headers_show_under_the_own_address_rule) {
    struct row {
        std::string header, symbols;
    };
    const row rows[] = {
        {"From: a@example.org\r\n", ""},
        {"From: A Person <A@Example.ORG>\r\n", ""},
        {"From: a@example.org (b@example.net)\r\n", "DISPLAY_NAME_ADDRESS"}, // readers show a comment as the name
        {"From: b@example.org\r\n", "FROM_FORBIDDEN"},
        {"From: =?utf-8?Q?A?=\r\n <b@example.net>\r\n", "FROM_FORBIDDEN"},
        {"From: nobody\r\n", "FROM_FORBIDDEN"},
        {"From: a@example.org, b@example.net\r\nSender: a@example.org\r\n", "FROM_FORBIDDEN"},
        {"From: us: a@example.org, b@example.net;\r\nSender: a@example.org\r\n", "FROM_FORBIDDEN"},
        {"From: a@example.org\r\nFrom: b@example.net\r\n", "FROM_FORBIDDEN MULTIPLE_FROM"},
        {"From: a@example.org\r\nfrom : a@example.org\r\n", "MULTIPLE_FROM"},
        {"From: a@example.org, a@example.org\r\n", "MULTIPLE_FROM"},
        {"From: a@example.org, a@example.org\r\nSender: a@example.org\r\n", ""},
        {"From: \"ceo@bank.example\" <a@example.org>\r\n", "DISPLAY_NAME_ADDRESS"},
        {"From: =?utf-8?B?Y2VvQGJhbmsuZXhhbXBsZQ==?= <a@example.org>\r\n", "DISPLAY_NAME_ADDRESS"},
        {"From: \"a@example.org\" <a@example.org>\r\n", ""},
        {"From: \"A (a@EXAMPLE.org).\" <a@example.org>\r\n", ""},
        {"From: \"meet @ noon\" <a@example.org>\r\n", ""},
        {"From: a b c@example.org\r\n", "FROM_FORBIDDEN"},
        {"From: undisclosed:;\r\n", "FROM_FORBIDDEN"},
        {"From:\r\n", "NO_FROM"},
        {"Subject: x\r\n", "NO_FROM"},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.header) {
            BOOST_TEST(symbols(r.header, own_address()) == r.symbols);
        }
}

BOOST_AUTO_TEST_CASE(a_forbidden_from_rejects_and_names_the_address) {
    const auto found = run_check("from_alignment", make_message("From: b@example.net\r\n\r\n", own_address()));
    BOOST_REQUIRE(found.size() == 1u);
    BOOST_TEST((found[0].action == config::forced_verdict::reject));
    BOOST_TEST(found[0].why == reason::header_from_forbidden);
    BOOST_TEST(found[0].evidence == "b@example.net");
}

BOOST_AUTO_TEST_CASE(without_a_rule_any_address_may_stand_there) {
    message_options any;
    BOOST_TEST(symbols("From: b@example.net\r\n", any) == "");
    auto off = own_address();
    off.profile.header_from = false;
    BOOST_TEST(symbols("From: b@example.net\r\n", off) == "");
    BOOST_TEST(symbols("From: b@example.net\r\nFrom: c@example.net\r\n", off) == "MULTIPLE_FROM");
}

BOOST_AUTO_TEST_CASE(an_unknown_account_is_not_checked) {
    auto how = own_address();
    how.account = "-";
    BOOST_TEST(symbols("From: b@example.net\r\nFrom: c@example.net\r\n", how) == "");
}

BOOST_AUTO_TEST_CASE(a_thousand_strangers_are_one_finding) {
    std::string header = "From: a@example.org";
    for (int i = 0; i < 1000; ++i)
        header += ",\r\n b" + std::to_string(i) + "@example.net";
    BOOST_TEST(symbols(header + "\r\n", own_address()) == "FROM_FORBIDDEN MULTIPLE_FROM");
}

BOOST_AUTO_TEST_SUITE_END()
