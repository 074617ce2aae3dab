// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "contentfilter/mime/fields.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter;

BOOST_AUTO_TEST_SUITE(mime_fields_test)

BOOST_AUTO_TEST_CASE(mailboxes_of_address_lists) {
    struct row {
        std::string value;
        std::vector<std::string> addresses;
    };
    const row rows[] = {
        {" a@example.org", {"a@example.org"}},
        {" Real Name <a@example.org>", {"a@example.org"}},
        {" a@example.org, \"B, C\" <b@example.org>", {"a@example.org", "b@example.org"}},
        {" friends: a@example.org, b@example.org;", {"a@example.org", "b@example.org"}},
        {" a@example.org (x@example.net)", {"a@example.org"}},
        {" \"c@example.net\" <a@example.org>", {"a@example.org"}},
        {" =?utf-8?Q?c=40example=2Enet?= <a@example.org>", {"a@example.org"}},
        {" Name\r\n <a@example.org>", {"a@example.org"}},
        {" nobody", {"nobody"}}, // no rule allows it
        {"", {}},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.value) {
            const auto list = mime::parse_mailboxes(r.value);
            BOOST_REQUIRE(list.has_value());
            std::vector<std::string> got;
            for (const auto& box : *list)
                got.push_back(box.address);
            BOOST_TEST(got == r.addresses, boost::test_tools::per_element());
        }
}

BOOST_AUTO_TEST_CASE(a_list_without_any_address_is_malformed) {
    for (const std::string value : {"undisclosed-recipients:;", "<>", "@", "a b@example.org"})
        BOOST_TEST_CONTEXT(value) {
            const auto list = mime::parse_mailboxes(value);
            BOOST_REQUIRE(!list);
            BOOST_TEST(list.error().code == errc::malformed);
        }
}

BOOST_AUTO_TEST_CASE(groups_in_groups_without_end_are_refused_before_they_are_parsed) {
    std::string value;
    for (int i = 0; i < 20000; ++i)
        value += "a:";
    BOOST_TEST(mime::parse_mailboxes(value).error().code == errc::too_large);
}

BOOST_AUTO_TEST_CASE(texts_are_decoded) {
    BOOST_TEST(mime::decode_text(" plain\r\n text") == "plain text");
    BOOST_TEST(mime::decode_text("=?utf-8?B?Y2Fmw6k=?= =?iso-8859-1?Q?_=E9?=") == "caf\u00e9 \u00e9");
    BOOST_TEST(mime::decode_text("caf\u00e9") == "caf\u00e9");
    BOOST_TEST(mime::decode_text("=?utf-8?B?broken") == "=?utf-8?B?broken");
}

BOOST_AUTO_TEST_SUITE_END()
