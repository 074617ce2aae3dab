// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "shared/dns/mail_domain.hpp"
#include "shared/dns/rdata.hpp"

#include <boost/test/unit_test.hpp>

using namespace postsluice;
using namespace postsluice::dns;

BOOST_AUTO_TEST_SUITE(dns_rdata)

BOOST_AUTO_TEST_CASE(names_are_bounded_and_folded) {
    BOOST_TEST(checked_name("Mail.Example.ORG.").value() == "mail.example.org");
    BOOST_TEST(checked_name("_dmarc.example.org").value() == "_dmarc.example.org");
    for (const auto& bad :
         {std::string{}, std::string{"."}, std::string{"a..b"}, std::string{".a"}, std::string(64, 'a') + ".org",
          std::string(254, 'a'), std::string{"a b.org"}, std::string{"a\\.org"}, std::string{"a\n.org"}}) {
        BOOST_TEST_CONTEXT(bad) {
            const auto got = checked_name(bad);
            BOOST_TEST((!got && got.error().code == errc::malformed));
        }
    }
    const auto u_label = checked_name("m\xC3\xBCller.example");
    BOOST_TEST((!u_label && u_label.error().code == errc::unsupported));
}

BOOST_AUTO_TEST_CASE(records_are_read_or_left_out) {
    using namespace std::string_literals;
    BOOST_TEST(read_name("\4Mail\7example\0"s).value() == "mail.example");
    BOOST_TEST(read_name("\0"s).value() == "");
    BOOST_TEST(write_name("mail.example") == "\4mail\7example\0"s);
    for (const auto& bad : {""s, "\4mai"s, "\4mail"s, "\0x"s, "\3a.b\0"s, "\x40"s + std::string(64, 'a') + "\0"s}) {
        BOOST_TEST(!read_name(bad));
    }
    const auto mx = read_mx("\0\x0a\2mx\4test\0"s);
    BOOST_REQUIRE(mx);
    BOOST_TEST(mx->preference == 10);
    BOOST_TEST(mx->host == "mx.test");
    BOOST_TEST(read_mx("\0\0\0"s).value().host == "");
    BOOST_TEST(!read_mx("\0\0"s));
    BOOST_TEST(read_address("\xC0\0\2\1"s).value().to_string() == "192.0.2.1");
    BOOST_TEST(!read_address("abc"));
    BOOST_TEST(read_txt("\3abc\2de"s).value() == "abcde");
    BOOST_TEST(read_txt("\0"s).value() == "");
    BOOST_TEST(!read_txt("\4abc"s));
}

BOOST_AUTO_TEST_CASE(local_domains_and_literals_need_no_dns) {
    const std::vector<std::string> local = {"example.org", "*.example.net"};
    for (const auto* domain : {"", "[192.0.2.1]", "example.org", "EXAMPLE.org", "a.example.net", "a.b.example.net"}) {
        BOOST_TEST(needs_no_dns(local, domain));
    }
    for (const auto* domain : {"example.net", "a.example.org", "badexample.net", "com"}) {
        BOOST_TEST(!needs_no_dns(local, domain));
    }
}

BOOST_AUTO_TEST_SUITE_END()
