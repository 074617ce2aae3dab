// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "shared/smtp/reply_parser.hpp"

#include <boost/test/unit_test.hpp>

using namespace postsluice;
using namespace postsluice::smtp;
using namespace std::string_literals;

namespace {

result<std::optional<reply>> parsed(std::string_view wire) {
    reply_parser parser{5, 60};
    parser.feed(wire);
    return parser.next();
}

} // namespace

BOOST_AUTO_TEST_SUITE(reply_wire)

BOOST_AUTO_TEST_CASE(a_reply_is_always_well_formed_on_the_wire) {
    const std::pair<reply, std::string> table[] = {
        {make_reply(250, "2.0.0", "Ok"), "250 2.0.0 Ok\r\n"},
        {make_reply(250, "", "Ok"), "250 Ok\r\n"},
        {make_reply(451, "4.3.0", ""), "451 4.3.0 Temporary failure\r\n"},
        {make_reply(550, "5.7.1", "   "), "550 5.7.1 Refused\r\n"},
        {reply{250, "2.1.0", {}}, "250 2.1.0 Ok\r\n"},
        {make_reply(550, "4.7.1", "no"), "550 5.7.1 no\r\n"},
        {make_reply(354, "2.0.0", "go"), "354 go\r\n"},
        {make_reply(550, "5.7", "no"), "550 no\r\n"},
        {make_reply(550, "5.7.1\r\n250", "no"), "550 no\r\n"},
        {make_reply(0, "", "lost"), "451 4.3.0 lost\r\n"},
        {make_reply(999, "5.0.0", "odd"), "451 4.3.0 odd\r\n"},
        {make_reply(550, "5.7.1", "a\r\n250 Ok"), "550 5.7.1 a??250 Ok\r\n"},
        {make_reply(550, "5.7.1", "\xff\0"s), "550 5.7.1 ??\r\n"},
        {reply{550, "5.7.1", {"a", "b"}}, "550-5.7.1 a\r\n550 5.7.1 b\r\n"},
    };
    for (const auto& [what, wire] : table) {
        BOOST_TEST_CONTEXT(wire) {
            BOOST_TEST(to_wire(what) == wire);
        }
    }
    BOOST_TEST(to_wire(make_reply(451, "4.3.0", std::string(5000, 'x'))).size() < 512);
}

BOOST_AUTO_TEST_CASE(replies_are_read_back) {
    const std::pair<std::string, reply> table[] = {
        {"250 2.1.0 Ok\r\n", make_reply(250, "2.1.0", "Ok")},
        {"250\r\n", make_reply(250, "", "")},
        {"250-a\r\n250-b\r\n250 c\r\n", reply{250, "", {"a", "b", "c"}}},
        {"550-5.7.1 a\r\n550 5.7.1 b\r\n", reply{550, "5.7.1", {"a", "b"}}},
        {"550-5.7.1 a\r\n550 b\r\n", reply{550, "5.7.1", {"a", "b"}}},
        {"550 4.7.1 class differs\r\n", make_reply(550, "", "4.7.1 class differs")},
        {"250 2.1.0\r\n", make_reply(250, "2.1.0", "")},
        {"451 a\0b\r\n"s, make_reply(451, "", "a?b")},
    };
    for (const auto& [wire, expected] : table) {
        for (std::size_t cut = 0; cut < wire.size(); ++cut) {
            BOOST_TEST_CONTEXT(wire << " cut at " << cut) {
                reply_parser parser{5, 60};
                parser.feed(std::string_view{wire}.substr(0, cut));
                const auto early = parser.next();
                BOOST_REQUIRE(early.has_value());
                BOOST_TEST(!early->has_value());
                parser.feed(std::string_view{wire}.substr(cut));
                const auto got = parser.next();
                BOOST_REQUIRE(got.has_value());
                BOOST_REQUIRE(got->has_value());
                BOOST_TEST(**got == expected);
                BOOST_TEST(parser.idle());
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(what_is_no_reply_is_refused) {
    const std::pair<std::string, errc> table[] = {
        {"hello\r\n", errc::protocol},
        {"\r\n", errc::protocol},
        {"25\r\n", errc::protocol},
        {"199 early\r\n", errc::protocol},
        {"600 late\r\n", errc::protocol},
        {"2500 long\r\n", errc::protocol},
        {"250_Ok\r\n", errc::protocol},
        {" 250 Ok\r\n", errc::protocol},
        {"250 Ok\n", errc::protocol},
        {"\n", errc::protocol},
        {"250-a\r\n251 b\r\n", errc::protocol},
        {"250-1\r\n250-2\r\n250-3\r\n250-4\r\n250-5\r\n250 6\r\n", errc::too_large},
        {"250 " + std::string(80, 'x') + "\r\n", errc::too_large},
        {std::string(61, '2'), errc::too_large},
    };
    for (const auto& [wire, code] : table) {
        BOOST_TEST_CONTEXT(wire) {
            const auto got = parsed(wire);
            BOOST_REQUIRE(got.has_error());
            BOOST_TEST(got.error().code == code);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
