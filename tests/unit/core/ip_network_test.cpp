// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "shared/core/ip_network.hpp"

using namespace postsluice;
using namespace std::string_literals;

BOOST_AUTO_TEST_SUITE(ip_networks)

BOOST_AUTO_TEST_CASE(addresses_are_read_and_printed) {
    struct row {
        const char *text, *printed;
        bool v4;
    };
    const row table[] = {
        {"192.0.2.1", "192.0.2.1", true},
        {"2001:DB8:0:0::1", "2001:db8::1", false},
        {"IPv6:2001:db8::1", "2001:db8::1", false},
        {"ipv6:::1", "::1", false},
        {"::ffff:192.0.2.1", "192.0.2.1", true}, // as a dual-stack listener says it
        {"IPv6:::FFFF:c000:0201", "192.0.2.1", true},
        {"::192.0.2.1", "::192.0.2.1", false},
        {"::", "::", false},
    };
    for (const auto& one : table) {
        BOOST_TEST_CONTEXT(one.text) {
            const auto parsed = ip_address::parse(one.text);
            BOOST_REQUIRE(parsed.has_value());
            BOOST_TEST(parsed->is_v4() == one.v4);
            BOOST_TEST(parsed->to_string() == one.printed);
        }
    }
    BOOST_TEST((ip_address::parse("::ffff:192.0.2.1").value() == ip_address::parse("192.0.2.1").value()));
}

BOOST_AUTO_TEST_CASE(what_is_no_address_is_refused) {
    for (const auto& text : {""s, "unknown"s, "192.0.2"s, "192.0.2.256"s, "192.0.2.1 "s, "fe80::1%eth0"s, "1::2::3"s,
                             "[::1]"s, "192.0.2.1/32"s, "192.0.2.1\0.example"s, "::1\0x"s, "IPv6:"s}) {
        BOOST_TEST_CONTEXT(text) {
            const auto parsed = ip_address::parse(text);
            BOOST_REQUIRE(parsed.has_error());
            BOOST_TEST((parsed.error().code == errc::malformed));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_network_contains_its_addresses_and_no_others) {
    struct row {
        const char *network, *inside, *outside;
    };
    const row table[] = {
        {"192.0.2.0/28", "192.0.2.15", "192.0.2.16"},
        {"192.0.2.0/24", "192.0.2.255", "192.0.3.0"},
        {"192.0.2.9", "192.0.2.9", "192.0.2.8"},
        {"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
        {"0.0.0.0/0", "255.255.255.255", "2001:db8::1"},
        {"128.0.0.0/1", "255.0.0.0", "127.255.255.255"},
        {"2001:db8:5::/64", "2001:db8:5::ffff:ffff:ffff:ffff", "2001:db8:5:1::"},
        {"2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::"},
        {"::/0", "2001:db8::1", "192.0.2.1"},
        {"::1", "::1", "::2"},
        {"192.0.2.0/28", "::ffff:192.0.2.3", "::192.0.2.3"},
    };
    for (const auto& one : table) {
        BOOST_TEST_CONTEXT(one.network) {
            const auto network = ip_network::parse(one.network).value();
            BOOST_TEST(network.contains(ip_address::parse(one.inside).value()));
            BOOST_TEST(!network.contains(ip_address::parse(one.outside).value()));
            BOOST_TEST((ip_network::parse(network.to_string()).value() == network));
        }
    }
}

BOOST_AUTO_TEST_CASE(host_bits_and_impossible_prefixes_are_refused) {
    for (const auto* text :
         {"192.0.2.1/24", "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/x", "192.0.2.0/-1", "192.0.2.0/24/8",
          "192.0.2.0/ 24", "2001:db8::1/64", "::/129", "/24", "192.0.2.0/255.255.255.0"})
        BOOST_TEST(ip_network::parse(text).has_error(), text);
}

BOOST_AUTO_TEST_SUITE_END()
